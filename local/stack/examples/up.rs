fn main() {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let root = std::env::current_dir().unwrap();
            let data = std::path::PathBuf::from("/tmp/w/stackdata");
            std::fs::create_dir_all(&data).unwrap();
            let t = std::time::Instant::now();
            let s =
                gatewright_stack::Stack::up(&gatewright_stack::Options::of(&root, &data), &|m| {
                    println!("{m}")
                })
                .await;
            println!("{:?} {:?}", t.elapsed(), s);
            if let Ok(s) = s {
                if std::env::args().nth(1).is_some() {
                    tokio::signal::ctrl_c().await.unwrap();
                }
                println!("denied {:?}", s.denied());
                s.down().await;
            }
        });
}

//! One phase's commands in one shell.
//!
//! In a buildspec of version 0.2 all commands share a shell: a `cd` or an
//! `export` holds for the commands after it, in later phases as well. So each
//! phase is one bash that runs the commands one by one in itself (`.`), stops
//! at the first that fails, and hands its exported variables and its working
//! directory on to the next phase's.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// What one phase hands on to the next.
#[derive(Debug, Clone)]
pub(crate) struct ShellState {
    /// The exported variables.
    pub(crate) variables: BTreeMap<String, String>,
    /// The working directory.
    pub(crate) directory: PathBuf,
}

/// The start of every script. `date` and `env` are named in full: a command
/// may have broken PATH, and the log should still be written.
const PROLOGUE: &str = r#"
__gw_say() { printf '\n[Container] %s %s\n' "$(/bin/date -u '+%Y/%m/%d %H:%M:%S')" "$1"; }
__gw_save() { /usr/bin/env -0 >"$__gw_dir/env"; pwd >"$__gw_dir/cwd"; }
trap '__gw_save' EXIT
"#;

/// A phase's commands, written out as scripts in a folder of their own.
#[derive(Debug)]
pub(crate) struct PhaseScript {
    folder: PathBuf,
    commands: Vec<String>,
}

impl PhaseScript {
    /// Writes the scripts to `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn write(folder: PathBuf, commands: &[String]) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut main = format!("__gw_dir={}\n{PROLOGUE}", quoted(&folder.to_string_lossy()));
        for (index, command) in commands.iter().enumerate() {
            fs::write(folder.join(format!("{index}.sh")), format!("{command}\n"))?;
            main.push_str(&step(index));
        }
        fs::write(folder.join("phase.sh"), main)?;
        Ok(Self {
            folder,
            commands: commands.to_vec(),
        })
    }

    /// The script to give to bash.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("phase.sh")
    }

    /// The command that ran last: the failing one, when the phase failed.
    pub(crate) fn last_command(&self) -> &str {
        (fs::read_to_string(self.folder.join("current")).ok())
            .and_then(|index| index.trim().parse::<usize>().ok())
            .and_then(|index| self.commands.get(index))
            .map_or("", String::as_str)
    }

    /// What the phase hands on; `before` where the shell could not say (it was
    /// killed, or replaced itself).
    pub(crate) fn state_after(&self, before: &ShellState) -> ShellState {
        ShellState {
            variables: read_variables(&self.folder).unwrap_or_else(|| before.variables.clone()),
            directory: (fs::read_to_string(self.folder.join("cwd")).ok())
                .map(|text| PathBuf::from(text.trim_end_matches('\n')))
                .filter(|directory| directory.is_dir())
                .unwrap_or_else(|| before.directory.clone()),
        }
    }
}

fn step(index: usize) -> String {
    format!(
        "printf %s {index} >\"$__gw_dir/current\"\n\
         __gw_say \"Running command $(<\"$__gw_dir/{index}.sh\")\"\n\
         . \"$__gw_dir/{index}.sh\"\n\
         __gw_code=$?; __gw_save\n\
         if [ $__gw_code -ne 0 ]; then exit $__gw_code; fi\n"
    )
}

fn read_variables(folder: &Path) -> Option<BTreeMap<String, String>> {
    let bytes = fs::read(folder.join("env")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let variables: BTreeMap<String, String> = (text.split('\0'))
        .filter_map(|entry| entry.split_once('='))
        // The shell's own bookkeeping is no variable of the build.
        .filter(|(name, _)| !["_", "SHLVL", "PWD", "OLDPWD"].contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    (!variables.is_empty()).then_some(variables)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

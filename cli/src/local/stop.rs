//! The end of a stack: Ctrl-C, SIGTERM, and a second Ctrl-C for the impatient.

use crate::error::{Code, Failed};
use crate::out::Out;
use gatewright_stack::Stack;
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for signals.
#[derive(Debug)]
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// From now on, signals come here.
    ///
    /// # Errors
    /// When the system does not let us listen.
    pub fn listen() -> Result<Self, Failed> {
        let listen = |kind| {
            signal(kind).map_err(|e| Failed::unreachable(format!("signals cannot be heard: {e}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Until the next one.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Takes the stack down; `code` when that went through, or that it was
    /// interrupted. The connection file goes first: it leads nowhere then.
    pub async fn down(&mut self, stack: Stack, data: &Path, out: &Out, code: Code) -> Code {
        out.aside("stopping the stack");
        // It may have been removed by hand.
        let _ = std::fs::remove_file(data.join("connection.json"));
        tokio::select! {
            () = stack.down() => code,
            // Dropping what is left of the stack kills the emulator, and the
            // emulator's own watch ends the functions.
            () = self.asked() => Code::Interrupted,
        }
    }
}

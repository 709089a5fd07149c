use std::time::Instant;

use anyhow::Result;
use suanpan_bench::machine;
use suanpan_bench::server::Server;

/// Processor time of all that takes part.
#[derive(Clone, Copy)]
pub struct Usage {
    at: Instant,
    server_s: f64,
    engine_s: f64,
    generator_s: f64,
}

/// What was used between two moments.
pub struct Used {
    pub seconds: f64,
    pub server_s: f64,
    pub engine_s: f64,
    pub generator_s: f64,
}

impl Usage {
    pub fn now(server: &Server) -> Result<Self> {
        Ok(Self {
            at: Instant::now(),
            server_s: machine::cpu_seconds(server.process_id())?,
            engine_s: machine::cpu_seconds(server.engine_process_id()?)?,
            generator_s: machine::cpu_seconds(std::process::id())?,
        })
    }

    pub fn until(self, later: Self) -> Used {
        Used {
            seconds: (later.at - self.at).as_secs_f64(),
            server_s: later.server_s - self.server_s,
            engine_s: later.engine_s - self.engine_s,
            generator_s: later.generator_s - self.generator_s,
        }
    }
}

impl Used {
    /// Microseconds of processor time an event.
    pub fn per_event(&self, events: usize) -> String {
        let of = |seconds: f64| seconds * 1e6 / events as f64;
        format!(
            "server {:.2} µs, engine {:.2} µs, load generator {:.2} µs",
            of(self.server_s),
            of(self.engine_s),
            of(self.generator_s)
        )
    }
}

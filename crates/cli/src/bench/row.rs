//! What the benchmark prints.

use super::floors::Floors;
use serde::Serialize;

/// How the functions are hosted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// In worker processes, which the node starts.
    Worker,
    /// In the node's own process.
    Embedded,
    /// Nothing is hosted: what the machine does at best.
    #[value(skip)]
    Floor,
}

impl Mode {
    /// As it is printed.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Mode::Worker => "worker",
            Mode::Embedded => "embedded",
            Mode::Floor => "floor",
        }
    }
}

/// One result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: &'static str,
    /// How it was hosted.
    pub(crate) mode: Mode,
    /// The result, in the unit.
    pub(crate) value: f64,
    /// Of times: what 99 in 100 stay below.
    pub(crate) p99: Option<f64>,
    /// What it is counted in.
    pub(crate) unit: &'static str,
    /// What the same machine does at best in the same run, where there is such a thing.
    pub(crate) floor: Option<f64>,
    /// `value / floor`: for rates, the nearer to 1 from below, the better; for costs, from above.
    pub(crate) ratio: Option<f64>,
    /// What Erlang/OTP gives for the same work in the same run.
    pub(crate) erlang: Option<f64>,
    /// `value / erlang`.
    pub(crate) erlang_ratio: Option<f64>,
}

/// What was measured of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    /// The result.
    pub(crate) value: f64,
    /// Of times: what 99 in 100 stay below.
    pub(crate) p99: Option<f64>,
}

impl From<f64> for Measured {
    fn from(value: f64) -> Self {
        Measured { value, p99: None }
    }
}

impl Row {
    /// A result beside its floor.
    pub(crate) fn new(
        name: &'static str,
        mode: Mode,
        measured: impl Into<Measured>,
        unit: &'static str,
        floor: Option<f64>,
    ) -> Self {
        let Measured { value, p99 } = measured.into();
        let floor = floor.filter(|floor| *floor > 0.0);
        let ratio = floor.map(|floor| value / floor);
        Row { name, mode, value, p99, unit, floor, ratio, erlang: None, erlang_ratio: None }
    }

    /// The result beside Erlang's.
    pub(crate) fn beside_erlang(mut self, erlang: Option<f64>) -> Self {
        self.erlang = erlang.filter(|erlang| *erlang > 0.0);
        self.erlang_ratio = self.erlang.map(|erlang| self.value / erlang);
        self
    }
}

/// The floors themselves as rows.
pub(crate) fn floor_rows(floors: &Floors) -> Vec<Row> {
    let row = |name, value, unit| Row::new(name, Mode::Floor, value, unit, None);
    vec![
        row("bare relay sync", floors.relay_sync, "tasks/s"),
        row("bare relay async", floors.relay_async, "tasks/s"),
        row("bare relay cpu per task", floors.relay_cpu_micros, "us"),
        row("unary call", floors.unary, "calls/s"),
        row("stream ping-pong", floors.stream_sync, "calls/s"),
        row("stream pipelined", floors.stream_pipelined, "calls/s"),
        row("memory copy", floors.memory_copy, "GB/s"),
        row("raw tcp", floors.tcp, "GB/s"),
        row("raw grpc stream", floors.grpc_stream, "GB/s"),
    ]
}

/// A number with as many digits as mean something.
pub(crate) fn shown(value: f64) -> String {
    match value {
        value if value >= 1000.0 => {
            let digits = format!("{value:.0}");
            let mut grouped = String::new();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index).is_multiple_of(3) {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_for_people() {
        assert_eq!(shown(1_234_567.8), "1,234,568");
        assert_eq!(shown(999.9), "1000");
        assert_eq!(shown(1.234), "1.23");
        assert_eq!(shown(0.01234), "0.012");
    }

    #[test]
    fn a_row_without_a_floor_has_no_ratio() {
        let row = Row::new("x", Mode::Worker, 2.0, "s", None);
        assert_eq!((row.floor, row.ratio), (None, None));
        let row = Row::new("x", Mode::Worker, 2.0, "s", Some(4.0));
        assert_eq!(row.ratio, Some(0.5));
    }
}

//! What a sandbox may use of its machine, as far as an environment says; the worker fills in the rest.

use std::ops::RangeInclusive;

use crate::network::Fault;

const MIB: u64 = 1024 * 1024;
const PIB: u64 = 1024 * 1024 * 1024 * MIB;

/// Limits; the worker's own where one is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time in thousandths of a processor.
    pub cpu_millis: Option<u64>,
    /// Processes and threads at once.
    pub processes: Option<u64>,
    /// What may be written to the disk, in bytes.
    pub disk_bytes: Option<u64>,
    /// Open files of one process.
    pub open_files: Option<u64>,
}

impl Resources {
    /// Below the least a shell and a compiler do not even start, and the failure would look like
    /// the agent's.
    const BOUNDS: [(&'static str, RangeInclusive<u64>, &'static str); 5] = [
        ("resources.memory_bytes", 64 * MIB..=PIB, "64 MiB and 1 PiB"),
        (
            "resources.cpu_millis",
            100..=1_000_000,
            "100 and 1000000, where 1000 is one processor",
        ),
        ("resources.processes", 16..=4_194_304, "16 and 4194304"),
        ("resources.disk_bytes", 16 * MIB..=PIB, "16 MiB and 1 PiB"),
        ("resources.open_files", 64..=1_048_576, "64 and 1048576"),
    ];

    /// Whether they can be kept.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let Self {
            memory_bytes,
            cpu_millis,
            processes,
            disk_bytes,
            open_files,
        } = *self;
        let values = [memory_bytes, cpu_millis, processes, disk_bytes, open_files];
        for ((field, bounds, text), value) in Self::BOUNDS.into_iter().zip(values) {
            if value.is_some_and(|value| !bounds.contains(&value)) {
                return Err((field, format!("must be between {text}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_bounds() {
        let none = Resources::default();
        assert_eq!(none.check(), Ok(()));
        let with: [fn(u64) -> Resources; 5] = [
            |value| Resources {
                memory_bytes: Some(value),
                ..Resources::default()
            },
            |value| Resources {
                cpu_millis: Some(value),
                ..Resources::default()
            },
            |value| Resources {
                processes: Some(value),
                ..Resources::default()
            },
            |value| Resources {
                disk_bytes: Some(value),
                ..Resources::default()
            },
            |value| Resources {
                open_files: Some(value),
                ..Resources::default()
            },
        ];
        for (with, (field, bounds, _)) in with.into_iter().zip(Resources::BOUNDS) {
            let (least, most) = bounds.into_inner();
            assert_eq!(with(least).check(), Ok(()), "{field}");
            assert_eq!(with(most).check(), Ok(()), "{field}");
            for value in [0, least - 1, most + 1] {
                assert_eq!(with(value).check().map_err(|(field, _)| field), Err(field));
            }
        }
    }
}

//! Firmware for virtual machines: the BIOS that QEMU brings, and UEFI as distributions package it (OVMF).

use std::fmt;
use std::path::{Path, PathBuf};

use super::BootError;

/// What starts a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the kinds")]
pub enum Firmware {
    Bios,
    Uefi,
}

/// UEFI's program, and a copy of its variables for one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ovmf {
    /// Read-only.
    pub(super) code: PathBuf,
    /// Written by the machine.
    pub(super) variables: PathBuf,
}

/// Program and variables as Debian, Fedora, Azure Linux, openSUSE and Arch install them; without secure boot.
const PLACES: &[(&str, &str)] = &[
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/OvmfX64/OVMF_CODE.fd", "/usr/share/edk2/OvmfX64/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
];

/// Finds the firmware and copies its variables to the file `variables`.
pub(super) async fn prepare(variables: &Path) -> Result<Ovmf, BootError> {
    let is_file = |path: &str| Path::new(path).is_file();
    let found = PLACES.iter().find(|(code, variables)| is_file(code) && is_file(variables));
    let Some((code, template)) = found else {
        return Err(BootError::NoFirmware { looked_for: PLACES.iter().map(|(code, _)| (*code).to_owned()).collect() });
    };
    let fault = |source| BootError::Write { path: variables.to_owned(), source };
    // Not a copy of the file itself, which may be read-only.
    let content = tokio::fs::read(template).await.map_err(fault)?;
    tokio::fs::write(variables, content).await.map_err(fault)?;
    Ok(Ovmf { code: (*code).into(), variables: variables.to_owned() })
}

impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bios => "bios",
            Self::Uefi => "uefi",
        })
    }
}

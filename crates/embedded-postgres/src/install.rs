//! How to install PostgreSQL on this operating system, in one command.

use std::fs;

/// e.g. "install it with `sudo apt-get install postgresql`"; with a major version, the package of
/// that version.
pub(crate) fn advice(major: Option<u32>) -> String {
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let it = major.map_or("it".to_owned(), |major| format!("PostgreSQL {major}"));
    match command(&os_release, major) {
        Some(command) if nix::unistd::Uid::effective().is_root() || command.starts_with("brew") => {
            format!("install {it} with `{command}`")
        }
        Some(command) => format!("install {it} with `sudo {command}`"),
        None => format!("install {it} with your system's package manager"),
    }
}

/// The command for the system that this `os-release(5)` describes. A distribution that says whom it
/// is like is served so.
fn command(os_release: &str, major: Option<u32>) -> Option<String> {
    if cfg!(target_os = "macos") {
        return Some(format!("brew install postgresql@{}", major.unwrap_or(17)));
    }
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    let number = major.map_or(String::new(), |major| major.to_string());
    let dashed = major.map_or(String::new(), |major| format!("-{major}"));
    let (id, like) = (value("ID"), value("ID_LIKE"));
    [id.as_str()].into_iter().chain(like.split_whitespace()).find_map(|id| match id {
        "debian" | "ubuntu" => Some(format!("apt-get install postgresql{dashed}")),
        "fedora" | "rhel" | "centos" => Some(format!("dnf install postgresql{number}-server")),
        "alpine" => Some(format!("apk add postgresql{number}")),
        "arch" => Some("pacman -S postgresql".to_owned()),
        "suse" | "opensuse" => Some(format!("zypper install postgresql{number}-server")),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn an_unknown_system_has_no_command() {
        assert_eq!(command("ID=plan9\n", None), None);
        assert_eq!(command("", None), None);
    }

    #[test]
    #[cfg(not(target_os = "macos"))]
    fn each_family_has_its_command_and_a_relative_is_served_like_its_parent() {
        let told = |text, major| command(text, major).unwrap();
        assert_eq!(told("NAME=x\nID=debian\n", None), "apt-get install postgresql");
        assert_eq!(told("ID=debian", Some(15)), "apt-get install postgresql-15");
        assert_eq!(
            told("ID=linuxmint\nID_LIKE=\"ubuntu debian\"", None),
            "apt-get install postgresql"
        );
        assert_eq!(
            told("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"", None),
            "dnf install postgresql-server"
        );
        assert_eq!(told("ID=alpine", Some(16)), "apk add postgresql16");
        assert_eq!(told("ID=arch", None), "pacman -S postgresql");
    }
}

//! A party that goes away in the middle of a run takes the others with it, soon and by name.

use std::{process::Child, time::Duration};

use crate::support::{Hosts, Lines, ROLES, many_images, signal, tercet, wait_for_exit, wait_until};

#[test]
fn a_launched_party_that_dies_ends_the_run() {
    for suite in ["securenn", "dealer"] {
        for (place, role) in ROLES.into_iter().enumerate() {
            let (mut launcher, lines, parties) = long_bench(suite);
            signal("-KILL", parties[place]);
            let status = wait_for_exit(&mut launcher);
            assert_eq!(status.code(), Some(1));
            let rest = lines.rest();
            let errors: Vec<_> = rest.iter().filter(|line| line.starts_with("error: ")).collect();
            assert_eq!(errors.len(), 1, "{rest:?}");
            let expected =
                format!("the {role} was killed by signal 9; the two others were stopped");
            assert!(errors[0].contains(&expected), "{}", errors[0]);
            parties.into_iter().for_each(is_gone);
        }
    }
}

#[test]
fn a_launched_party_that_hangs_is_named_by_the_others() {
    for (role, place) in ROLES.into_iter().zip(0..) {
        let (mut launcher, lines, parties): (_, _, [u32; 3]) = long_bench("securenn");
        signal("-STOP", parties[place]);
        assert_eq!(wait_for_exit(&mut launcher).code(), Some(1));
        let rest = lines.rest();
        let errors: Vec<_> = rest.iter().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{rest:?}");
        assert!(errors[0].contains(&format!(": {role} went away: ")), "{}", errors[0]);
        parties.into_iter().for_each(is_gone);
    }
}

#[test]
fn parties_end_with_their_launcher() {
    let (mut launcher, _lines, parties) = long_bench("securenn");
    signal("-KILL", launcher.id());
    launcher.wait().unwrap();
    parties.into_iter().for_each(is_gone);
}

#[test]
fn an_interrupt_ends_all() {
    let (mut launcher, _lines, parties) = long_bench("securenn");
    signal("-INT", launcher.id());
    assert!(!wait_for_exit(&mut launcher).success());
    parties.into_iter().for_each(is_gone);
}

#[test]
fn a_party_by_hand_that_dies_ends_the_others() {
    ROLES.into_iter().for_each(|victim| dies(victim, &hosts_for_long("securenn", 20_000), None));
}

#[test]
fn a_party_of_the_dealer_suite_that_dies_ends_the_others_in_either_stage() {
    for victim in ROLES {
        dies(victim, &hosts_for_long("dealer", 2_000), None);
        // In the middle of the query, for which nothing more comes from the producer.
        let hosts = hosts_for_long("dealer", 1_000);
        hosts.change(&ROLES, "[protocol]", "[protocol]\ndealt_first = true");
        dies(victim, &hosts, Some("everything is dealt"));
    }
}

/// Hosts that classify so many images that it takes a while.
fn hosts_for_long(suite: &str, images: u32) -> Hosts {
    let hosts = Hosts::new();
    hosts.write_digits(&many_images(hosts.directory.path(), images), images as usize);
    hosts.change(&ROLES, "[protocol]", &format!("[protocol]\nsuite = {suite:?}"));
    hosts
}

/// Kills a party some way in, or when the model owner says this, and checks that the others end,
/// naming it.
fn dies(victim: &str, hosts: &Hosts, word: Option<&str>) {
    let mut parties = ROLES.map(|role| hosts.start(role));
    let mut lines: Vec<Lines> = parties.iter_mut().map(Lines::from_stderr).collect();
    lines.iter_mut().for_each(|lines| {
        lines.find("all three parties are connected");
    });
    match word {
        Some(word) => drop(lines[0].find(word)),
        None => std::thread::sleep(Duration::from_millis(300)),
    }
    let place = ROLES.into_iter().position(|role| role == victim).unwrap();
    signal("-KILL", parties[place].id());
    parties[place].wait().unwrap();
    for (other, (party, lines)) in parties.iter_mut().zip(lines).enumerate() {
        if other == place {
            continue;
        }
        assert_eq!(wait_for_exit(party).code(), Some(1));
        let lines = lines.rest();
        let errors: Vec<_> = lines.iter().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{lines:?}");
        let expected = format!("error: {victim} went away: ");
        assert!(errors[0].starts_with(&expected), "{}", errors[0]);
    }
}

/// A bench that runs for long, some way in, with the processes of its parties.
fn long_bench(suite: &str) -> (Child, Lines, [u32; 3]) {
    let args = ["--log", "debug", "bench", "relu", "--count", "3000000", "--suite", suite];
    let mut launcher = tercet().args(args).spawn().unwrap();
    let mut lines = Lines::from_stderr(&mut launcher);
    let parties = ROLES.map(|role| {
        let line = lines.find(&format!("{role} is process "));
        line.rsplit(' ').next().unwrap().trim().parse().unwrap()
    });
    lines.find("all three parties are connected");
    std::thread::sleep(Duration::from_millis(300));
    (launcher, lines, parties)
}

fn is_gone(process: u32) {
    let alive = || {
        let status = std::fs::read_to_string(format!("/proc/{process}/status"));
        // Whoever inherits an orphan may take its time to collect it.
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    };
    wait_until(&format!("process {process} is gone"), || !alive());
}

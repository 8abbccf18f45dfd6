use std::io::Write as _;
use std::path::PathBuf;

use flate2::write::GzEncoder;
use flate2::Compression;
use proptest::prelude::*;

use super::*;
use crate::generate::{physical, small, wild, Family, Size};
use crate::{Deployment, Routing, Status, StopReason};

const PROBLEM: &str = r#"{
  "format": "servemix-problem/1", "name": "six-types",
  "horizon_h": 24.0, "budget_usd": 100.0, "storage_gb": null, "storage_usd_per_gb_h": 0.0002,
  "max_utilization": 0.9, "latency_scope": "route",
  "pools": [{"name": "h100", "max_gpus": 16}],
  "query_types": [{"name": "summarization", "rate_per_h": 12000.0, "latency_slo_s": 5.0, "error_slo": 0.06,
                   "latency_usd_per_s": 1e-6, "unmet_usd_per_query": 0.01, "max_unmet": 0.05, "data_gb": 0.0}],
  "models": [{"name": "llama-3.1-8b"}],
  "tiers": [{"name": "h100-fp16", "gpu_usd_per_h": 2.5, "pool": 0}],
  "configurations": [{"model": 0, "tier": 0, "tp": 4, "pp": 1, "weights_gb": 16.0, "kv_cache_gb": 260.0, "max_replicas": 64}],
  "routes": {"query_type": [0], "configuration": [0], "busy_s": [0.41], "kv_gb_s": [0.9], "latency_s": [3.2], "error": [0.03]}
}"#;

const PLAN: &str = r#"{
  "format": "servemix-plan/1", "problem": "six-types", "method": "agh", "seed": 0,
  "status": "FEASIBLE", "stop_reason": "LOCAL_OPTIMUM", "runtime_s": 0.004,
  "objective_value": 89.9, "objective_bound": 88.7, "gap": 0.0133,
  "cost": {"rental": 80.1, "storage": 0.2, "latency": 9.6, "unmet": 0.0},
  "deployments": [{"configuration": 0, "replicas": 2, "model": "llama-3.1-8b"}],
  "routing": {"query_type": [0], "configuration": [0], "fraction": [1.0]},
  "unmet": [0.0]
}"#;

fn problem() -> Problem {
    Problem::from_json(PROBLEM.as_bytes()).expect("a sound file")
}

fn problem_error(from: &str, to: &str) -> String {
    let text = PROBLEM.replacen(from, to, 1);
    assert_ne!(text, PROBLEM, "{from} is not in the file");
    Problem::from_json(text.as_bytes()).expect_err(&text).to_string()
}

fn plan_error(from: &str, to: &str) -> String {
    let text = PLAN.replacen(from, to, 1);
    assert_ne!(text, PLAN, "{from} is not in the file");
    Plan::from_json(text.as_bytes(), &problem()).expect_err(&text).to_string()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

#[test]
fn the_documented_problem_and_plan_are_read() {
    let problem = problem();
    assert_eq!((problem.budget_usd, problem.storage_gb), (100.0, f64::INFINITY));
    assert_eq!((problem.pools.max_gpus[0], problem.configurations.max_num_seqs[0]), (16.0, 0));
    assert_eq!(problem.routes.busy_s, [0.41]);
    assert_eq!(Problem::from_json(&gzip(PROBLEM.as_bytes())), Ok(problem.clone()));

    let marked = [b"\xef\xbb\xbf", PROBLEM.as_bytes()].concat();
    assert_eq!(Problem::from_json(&marked), Ok(problem.clone()));

    let plan = Plan::from_json(PLAN.as_bytes(), &problem).expect("a sound file");
    assert_eq!((plan.objective_value, plan.stop_reason), (Some(89.9), StopReason::LocalOptimum));
    assert_eq!(plan.deployments, [Deployment { configuration: 0, replicas: 2 }]);
}

#[test]
fn a_plan_of_other_models_tiers_or_query_types_is_refused() {
    let own = problem();
    let plan = Plan::from_json(PLAN.as_bytes(), &own).expect("a sound file");
    let text = plan.to_json(&own);
    assert_eq!(Plan::from_json(text.as_bytes(), &own).as_ref(), Ok(&plan));
    for (entry, from, to) in [
        ("deployments[0].model", "\"llama-3.1-8b\"", "\"llama-3.1-70b\""),
        ("deployments[0].tier", "\"h100-fp16\"", "\"h100-fp8\""),
        ("deployments[0].tp", "\"tp\": 4", "\"tp\": 2"),
        ("query_types[0].name", "\"summarization\"", "\"chat\""),
    ] {
        let other = PROBLEM.replacen(from, to, 1);
        assert_ne!(other, PROBLEM);
        let other = Problem::from_json(other.as_bytes()).expect("a sound file");
        let message = Plan::from_json(text.as_bytes(), &other).expect_err(entry).to_string();
        assert!(message.starts_with(&format!("{entry}: is ")), "{message}");
    }
}

#[test]
fn errors_of_a_problem_name_the_entry() {
    for (from, to, expected) in [
        ("[0.41]", "[NaN]", "routes.busy_s[0]: must be a finite number, got NaN"),
        ("[0.41]", "[0.41, -Infinity]", "routes.busy_s[1]: must be a finite number, got -Infinity"),
        ("\"data_gb\": 0.0", "\"data_gb\": Infinity", "query_types[0].data_gb: must be a finite number, got Infinity"),
        ("[0.41]", "[1e999]", "routes.busy_s[0]: number out of range"),
        ("[0.41]", "[-0.41]", "routes.busy_s[0]: must not be negative"),
        ("[0.41]", "[\"x\"]", "routes.busy_s[0]: invalid type: string \"x\", expected a number"),
        ("[0.41]", "[null]", "routes.busy_s[0]: invalid type: null"),
        ("[0.41]", "[0.41, 0.4]", "routes.busy_s: has 2 entries where 1 are expected"),
        ("\"configuration\": [0]", "\"configuration\": [-1]", "routes.configuration[0]: invalid value: integer `-1`"),
        ("\"configuration\": [0]", "\"configuration\": [7]", "routes.configuration[0]: is 7, out of range"),
        ("\"busy_s\": [0.41], ", "", "routes: missing field `busy_s`"),
        ("\"busy_s\"", "\"busy\"", "routes.busy: unknown field `busy`"),
        ("\"horizon_h\": 24.0", "\"horizon_h\": 24.0, \"horizon_h\": 24.0", "file: duplicate field `horizon_h`"),
        ("\"storage_gb\": null, ", "", "file: missing field `storage_gb`"),
        ("\"pool\": 0", "\"other\": 0", "tiers[0].other: unknown field `other`"),
        (", \"pool\": 0", "", "tiers[0]: missing field `pool`"),
        ("\"pool\": 0", "\"pool\": 1", "tiers[0].pool: is 1, out of range for 1 entries"),
        ("\"pool\": 0", "\"pool\": 4294967295", "tiers[0].pool: is 4294967295, out of range"),
        ("12000.0", "-1", "query_types[0].rate_per_h: must not be negative, got -1"),
        ("\"max_replicas\": 64", "\"max_replicas\": 0", "configurations[0].max_replicas: must be at least 1"),
        (
            "\"max_replicas\": 64",
            "\"max_replicas\": 64, \"min_replicas\": 2",
            "configurations[0].min_replicas: unknown field in servemix-problem/1",
        ),
        (
            "\"max_replicas\": 64",
            "\"max_replicas\": 1, \"max_num_seqs\": 0",
            "configurations[0].max_num_seqs: must be at least 1",
        ),
        ("\"route\"", "\"mean\"", "latency_scope: must be \"route\" or \"average\", got \"mean\""),
        ("servemix-problem/1", "servemix-problem/3", "format: is \"servemix-problem/3\" where"),
        ("servemix-problem/1\"", "servemix-plan/1\", \"x\": 1", "format: is \"servemix-plan/1\" where"),
        ("\"format\": \"servemix-problem/1\", ", "", "file: missing field `format`"),
    ] {
        let message = problem_error(from, to);
        assert!(message.starts_with(expected), "{message}\ninstead of\n{expected}");
    }
    for (content, expected) in [
        (&b" "[..], "file: is empty"),
        (b"[]", "file: must be a JSON object"),
        (b"{", "file: EOF"),
        (b"\x1f\x8bx", "file: is not sound gzip"),
    ] {
        let message = Problem::from_json(content).expect_err("no file").to_string();
        assert!(message.starts_with(expected), "{message}");
    }
    let trailing = Problem::from_json(format!("{PROBLEM} 1").as_bytes()).expect_err("trailing").to_string();
    assert!(trailing.starts_with("file: trailing characters"), "{trailing}");
}

/// The documented problem with an operating point, in the newest format.
fn with_point(keys: &str) -> Result<Problem> {
    let text = PROBLEM.replacen("servemix-problem/1", "servemix-problem/2", 1);
    Problem::from_json(text.replacen("\"max_replicas\": 64", &format!("\"max_replicas\": 64, {keys}"), 1).as_bytes())
}

#[test]
fn operating_points_are_read_and_written_and_their_errors_name_the_entry() {
    let own = with_point("\"max_utilization\": 0.4, \"min_replicas\": 3, \"pair\": 7").expect("a sound file");
    assert_eq!((own.max_utilization_of(0), own.min_replicas(0), own.configurations.pair[0]), (0.4, 3, 7));
    assert_eq!(Problem::from_json(own.to_json().as_bytes()), Ok(own));
    let usual = with_point("\"max_utilization\": null, \"min_replicas\": null, \"pair\": null").expect("a sound file");
    assert_eq!((usual.max_utilization_of(0), usual.min_replicas(0)), (0.9, 1));
    assert_eq!(usual, problem());
    assert!(!usual.to_json().contains("min_replicas"));
    for (keys, expected) in [
        ("\"max_utilization\": 0", "configurations[0].max_utilization: must be greater than 0"),
        ("\"max_utilization\": 1.1", "configurations[0].max_utilization: must be greater than 0"),
        ("\"min_replicas\": 0", "configurations[0].min_replicas: must be at least 1"),
        ("\"min_replicas\": 65", "configurations[0].min_replicas: must be at most max_replicas, which is 64"),
        ("\"pair\": -1", "configurations[0].pair: invalid value"),
    ] {
        let message = with_point(keys).expect_err(keys).to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn errors_of_a_plan_name_the_entry() {
    for (from, to, expected) in [
        ("\"six-types\"", "\"other\"", "problem: is \"other\" where \"six-types\" is expected"),
        ("FEASIBLE", "GOOD", "status: \"GOOD\" is not one"),
        ("FEASIBLE", "INFEASIBLE", "status: is INFEASIBLE beside a plan"),
        ("LOCAL_OPTIMUM", "TIRED", "stop_reason: \"TIRED\" is not one"),
        ("\"seed\": 0", "\"seed\": -1", "seed: invalid value"),
        ("89.9", "null", "objective_value: is missing with status FEASIBLE"),
        ("0.0133", "0.5", "gap: is 0.5 where objective_value and objective_bound give 0.0133"),
        ("0.0133", "null", "gap: is null where"),
        ("\"gap\": 0.0133,", "", "file: missing field `gap`"),
        ("80.1", "NaN", "cost.rental: must be a finite number, got NaN"),
        ("\"replicas\": 2", "\"replicas\": 0", "deployments[0].replicas: must be at least 1"),
        ("\"configuration\": 0", "\"configuration\": 1", "deployments[0].configuration: is 1, out of range"),
        ("\"fraction\": [1.0]", "\"fraction\": []", "routing.query_type: has 1 entries where 0"),
        ("\"unmet\": [0.0]", "\"unmet\": []", "unmet: has 0 entries where 1"),
        ("\"unmet\": [0.0]", "\"unmet\": [0.0], \"other\": 1", "other: unknown field `other`"),
    ] {
        let message = plan_error(from, to);
        assert!(message.starts_with(expected), "{message}\ninstead of\n{expected}");
    }
}

#[test]
fn files_are_written_whole_and_read_back() {
    let folder = std::env::temp_dir().join(format!("servemix-files-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a temporary folder");
    let problem = problem();
    let plan = Plan::from_json(PLAN.as_bytes(), &problem).expect("a sound file");
    for name in ["problem.json", "problem.json.gz"] {
        let path = folder.join(name);
        write_problem(&path, &problem).expect("can be written");
        assert_eq!(read_problem(&path), Ok(problem.clone()));
        write_plan(&path, &plan, &problem).expect("can be written over");
        assert_eq!(read_plan(&path, &problem), Ok(plan.clone()));
    }
    assert_eq!(fs::read_dir(&folder).expect("is there").count(), 2, "no temporary file is left");
    fs::create_dir(folder.join("taken")).expect("a folder");
    let over_a_folder = write_problem(folder.join("taken"), &problem);
    assert!(matches!(over_a_folder, Err(Error::File { .. })), "{over_a_folder:?}");
    assert!(matches!(read_problem(folder.join("none")), Err(Error::File { .. })));
    assert_eq!(fs::read_dir(&folder).expect("is there").count(), 3, "no temporary file is left");
    fs::remove_dir_all(&folder).expect("own folder");
}

#[test]
fn every_shared_instance_is_read_and_round_trips() {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("SERVEMIX_SHARED").map_or(beside, PathBuf::from);
    let Ok(folder) = fs::read_dir(shared.join("instances")) else {
        return; // Skipped where there is no shared data.
    };
    let mut count = 0;
    for entry in folder.flatten().filter(|entry| entry.path().to_string_lossy().ends_with(".json.gz")) {
        // The larger ones take long without optimisation and hold nothing that the smaller ones do not.
        if entry.metadata().is_ok_and(|metadata| metadata.len() < 100_000) {
            let problem = read_problem(entry.path()).expect("a sound file");
            assert_eq!(Problem::from_json(problem.to_json().as_bytes()), Ok(problem));
            count += 1;
        }
    }
    assert!(count > 0, "there are small instances");
}

fn any_problem() -> impl Strategy<Value = Problem> {
    (0u64..1000, 0usize..7).prop_map(|(seed, kind)| {
        let problem = match kind {
            0 => small(seed),
            1 => wild(seed),
            _ => physical(Size::new(3, 2, 3), 1.0, Family::ALL[kind - 2], seed),
        };
        problem.expect("generators make valid problems")
    })
}

fn any_plan(problem: &Problem) -> impl Strategy<Value = Plan> {
    let replicas = prop::collection::btree_map(0..problem.num_configurations() as u32, 1u32..9, 0..4);
    let table = problem.route_table();
    let routes = prop::collection::btree_map(0..table.len().max(1), 1e-9..1.0f64, 0..6);
    let unmet = prop::collection::vec(0.0..1.0f64, problem.num_query_types());
    let figures = (any::<u64>(), 0.0..1e6f64, prop::option::of(-1e9..1e9f64), prop::option::of(".*"));
    let problem = problem.clone();
    (replicas, routes, unmet, figures).prop_map(move |(replicas, routes, unmet, (seed, runtime_s, bound, message))| {
        let deployments = replicas.into_iter().map(|(configuration, replicas)| Deployment { configuration, replicas });
        let mut routing = Routing::default();
        for (route, fraction) in routes.into_iter().filter(|(route, _)| *route < problem.route_table().len()) {
            routing.query_type.push(problem.route_table().query_type[route]);
            routing.configuration.push(problem.route_table().configuration[route]);
            routing.fraction.push(fraction);
        }
        let plan = Plan::from_solution(&problem, deployments.collect(), &routing, unmet).expect("valid indices");
        let status = if bound.is_some() { Status::Optimal } else { Status::Feasible };
        Plan { seed, runtime_s, objective_bound: bound, message, status, method: "any".into(), ..plan }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn problems_round_trip_exactly(problem in any_problem(), name in ".*") {
        let problem = Problem::new(crate::ProblemData { name, ..problem.data().clone() }).expect("any name will do");
        prop_assert_eq!(Problem::from_json(problem.to_json().as_bytes()), Ok(problem));
    }

    #[test]
    fn plans_round_trip_exactly((problem, plan) in any_problem().prop_flat_map(|problem| {
        let plans = any_plan(&problem);
        (Just(problem), plans)
    })) {
        prop_assert_eq!(Plan::from_json(plan.to_json(&problem).as_bytes(), &problem), Ok(plan));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Problem::from_json(&bytes).is_err());
        prop_assert!(Plan::from_json(&bytes, &problem()).is_err());
        prop_assert!(Problem::from_json(&gzip(&bytes)).is_err());
        let _ = Problem::from_json(&[&[0x1f, 0x8b], bytes.as_slice()].concat());
    }

    #[test]
    fn a_changed_file_never_panics(
        place in any::<prop::sample::Index>(),
        length in 0usize..20,
        insert in prop_oneof![
            Just("NaN".to_owned()), Just("-1".to_owned()), Just("1e400".to_owned()), Just("null".to_owned()),
            Just("1e308".to_owned()), Just("[".to_owned()), Just("{}".to_owned()), Just("4294967295".to_owned()), ".*",
        ],
    ) {
        for text in [PROBLEM, PLAN] {
            let start = place.index(text.len());
            let end = (start + length).min(text.len());
            let changed = [&text.as_bytes()[..start], insert.as_bytes(), &text.as_bytes()[end..]].concat();
            // Whatever still reads as a problem or a plan can be written and read again.
            if let Ok(changed) = Problem::from_json(&changed) {
                prop_assert_eq!(Problem::from_json(changed.to_json().as_bytes()), Ok(changed));
            }
            if let Ok(changed) = Plan::from_json(&changed, &problem()) {
                let again = changed.to_json(&problem());
                prop_assert_eq!(Plan::from_json(again.as_bytes(), &problem()), Ok(changed));
            }
        }
    }
}

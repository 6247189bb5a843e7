//! Every behaviour of the acceptance table has a story that bears its id.
//!
//! [`ROWS`] names the stories that tell each row, so that none of them can go unnoticed. A story whose name starts
//! with a row's id counts for it without being named here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::map::rust_files;

/// The rows C (who may call), M (meetings) and R (recordings, hooks, callbacks), and stories of each.
const ROWS: [(&str, &[&str]); 55] = [
    ("C1", &["c1_every_hash_is_accepted"]),
    ("C2", &["c2_the_checksum_stands_anywhere_in_any_case"]),
    ("C3", &["c3_the_instance_gets_the_same_bytes_in_the_same_order_freshly_signed"]),
    ("C4", &["c4_a_wrong_checksum_is_refused_and_reaches_no_instance"]),
    ("C5", &["c5_an_unknown_host_is_refused"]),
    ("C6", &["c6_a_host_is_matched_exactly_then_without_its_port"]),
    ("C7", &["c7_a_forwarded_host_counts_from_trusted_proxies_only"]),
    ("C8", &["c8_two_secrets_are_accepted_and_a_third_is_not"]),
    ("C9", &["c9_a_hash_that_the_tenant_does_not_allow_is_refused"]),
    ("C10", &["c10_a_path_names_the_tenant_on_any_host"]),
    (
        "C11",
        &[
            "c11_every_call_that_takes_a_form_takes_it_signed_raw_or_sorted",
            "c11_a_form_that_nothing_covers_is_taken_by_every_call_when_configured",
            "c11_a_form_is_signed_as_it_is_or_sorted",
            "c11_a_form_that_nothing_covers_is_accepted_by_configuration_only",
        ],
    ),
    (
        "C12",
        &[
            "c12_every_call_takes_the_methods_that_bbb_takes_and_no_other",
            "c12_recording_calls_take_the_methods_that_bbb_takes",
        ],
    ),
    (
        "C13",
        &[
            "c13_every_call_takes_the_bodies_that_bbb_takes_and_no_other",
            "c13_a_body_of_another_type_is_refused_and_a_type_without_a_body_is_not",
        ],
    ),
    ("C14", &["c14_an_unknown_call_is_not_supported"]),
    ("C15", &["c15_the_root_says_its_version_unsigned"]),
    ("M1", &["m1_a_create_reaches_the_least_loaded_instance_once_and_its_answer_is_passed_on"]),
    (
        "M2",
        &[
            "m2_fifty_creates_at_the_same_instant_over_two_replicas_make_one_meeting",
            "m2_a_meeting_made_on_one_replica_is_found_on_the_other_at_once",
            "m2_the_same_create_again_finds_the_same_instance",
            "m2_fifty_creates_at_the_same_instant_make_one_meeting",
        ],
    ),
    ("M3", &["m3_a_create_without_meeting_id_or_name_calls_no_instance"]),
    (
        "M4",
        &[
            "m4_an_instance_that_refuses_connections_is_passed_over",
            "m4_an_instance_that_answers_500_is_passed_over",
            "m4_an_instance_that_hangs_is_passed_over",
            "m4_garbage_and_a_wrong_secret_are_the_instances_fault",
            "m4_a_copy_that_a_hanging_instance_made_after_all_is_ended_when_seen",
            "m4_a_create_that_was_done_but_not_answered_stays_where_it_is",
            "m4_when_every_instance_fails_nothing_stays_claimed",
        ],
    ),
    (
        "M5",
        &[
            "m5_a_refusal_of_the_confirmed_instance_is_passed_on_unchanged",
            "m5_a_refusal_of_a_new_meeting_leaves_no_claim",
        ],
    ),
    ("M6", &["m6_without_a_candidate_there_is_no_instance"]),
    ("M7", &["m7_a_meeting_of_a_dead_instance_is_created_again_elsewhere"]),
    ("M8", &["m8_a_draining_instance_keeps_a_running_meeting_and_takes_no_new_one"]),
    ("M9", &["m9_one_failed_probe_forgets_nothing"]),
    (
        "M10",
        &[
            "m10_when_the_store_was_emptied_and_both_start_again_every_meeting_is_found",
            "m10_a_meeting_is_found_again_after_the_store_was_emptied",
        ],
    ),
    (
        "M11",
        &[
            "m11_claims_of_two_tenants_with_one_id_over_both_replicas_never_share_an_instance",
            "m11_two_tenants_use_one_meeting_id_on_two_instances",
            "m11_on_one_instance_the_second_tenants_meeting_id_is_not_unique",
        ],
    ),
    ("M12", &["m12_a_posted_body_reaches_the_instance_with_the_same_bytes"]),
    (
        "M13",
        &[
            "m13_default_override_and_excluded_params_of_create",
            "m13_a_duration_that_is_absent_0_or_greater_becomes_the_maximum",
            "m13_list_like_disabled_features_are_merged",
            "m13_default_override_and_excluded_params_of_join",
            "m13_a_default_presentation_is_given_to_a_create_without_one",
            "m13_what_can_not_be_ruled_is_refused_with_its_field",
        ],
    ),
    (
        "M14",
        &[
            "m14_a_create_with_a_server_tag_takes_a_tagged_instance_if_there_is_any",
            "m14_a_required_tag_without_a_server_is_server_tag_unavailable",
            "m14_tags_are_set_shown_explained_and_survive_a_restart",
            "m14_a_tenants_own_tag_stands_in_for_none_and_an_override_for_any",
            "m14_a_breakout_room_follows_its_parent_whatever_its_tag",
        ],
    ),
    (
        "M15",
        &[
            "m15_a_reached_meeting_pool_refuses_new_meetings_and_allows_existing_ones",
            "m15_creates_at_the_same_instant_do_not_exceed_the_pool",
            "m15_a_meeting_that_ended_by_itself_counts_until_the_next_sweep",
        ],
    ),
    (
        "M16",
        &[
            "m16_a_reached_user_pool_refuses_joins",
            "m16_counts_are_those_of_the_last_sweep_and_our_own_joins_since",
            "m16_joins_at_the_same_instant_do_not_exceed_the_pool",
            "m16_a_join_of_a_meeting_that_was_found_on_its_instance_counts",
        ],
    ),
    ("M17", &["m17_join_redirects_to_the_instance_with_the_same_parameters_in_the_same_order"]),
    ("M18", &["m18_join_without_redirect_passes_the_session_on"]),
    ("M19", &["m19_an_unknown_meeting_is_answered_as_bbb_answers"]),
    (
        "M20",
        &[
            "m20_a_browser_waits_on_a_page_that_loads_itself_again",
            "m20_a_browser_waits_on_a_page_until_the_meeting_lives_again_elsewhere",
            "m20_a_browser_waits_until_the_server_itself_is_back",
            "m20_a_browser_waits_while_the_meeting_moves_and_is_taken_in_when_it_has_arrived",
            "m20_who_waits_for_a_meeting_on_its_way_uses_up_no_place_in_the_user_pool",
            "m20_a_meeting_whose_create_was_not_confirmed_yet_but_that_is_there_is_joined",
        ],
    ),
    ("M21", &["m21_an_unknown_meeting_is_not_running"]),
    ("M22", &["m22_the_instance_decides_whether_a_meeting_ends"]),
    ("M23", &["m23_a_meeting_that_ended_by_itself_is_gone_after_the_next_sweep"]),
    ("M24", &["m24_a_list_holds_the_tenants_meetings_of_every_instance"]),
    ("M25", &["m25_an_instance_that_fails_counts_with_what_it_listed_last"]),
    (
        "M26",
        &[
            "m26_every_instance_is_asked_at_once",
            "m26_identical_concurrent_calls_share_one_round",
            "m26_nobody_gets_a_list_from_before_the_own_question",
            "m26_a_client_that_hangs_up_cuts_nobody_off",
            "m26_an_instance_that_hangs_holds_up_nobody_beyond_the_deadline",
        ],
    ),
    ("M27", &["m27_documents_and_messages_reach_the_meetings_instance"]),
    ("M28", &["m28_what_an_instance_says_passes_through_unchanged"]),
    (
        "M29",
        &[
            "m29_xml_that_no_bbb_gives_is_refused_as_the_instances_fault",
            "m29_bad_xml_over_sockets_is_refused_in_every_call",
            "m29_an_answer_is_checked_whole_however_it_arrives",
            "m29_of_a_very_large_answer_the_start_is_checked_and_the_rest_passes_through",
        ],
    ),
    (
        "R1",
        &[
            "r1_a_list_holds_the_tenants_recordings_of_every_instance_newest_first",
            "r1_a_list_is_asked_for_by_post_too",
            "r1_what_an_instance_says_of_a_recording_passes_through_unchanged",
            "r1_recordings_without_a_tag_are_of_the_tenant_that_is_named",
        ],
    ),
    (
        "R2",
        &[
            "r2_pages_are_cut_from_the_merged_order",
            "r2_a_page_asks_only_those_that_have_its_recordings_and_for_just_these",
            "r2_pages_obey_every_filter",
            "r2_what_is_gone_or_no_longer_fits_is_left_out_of_a_page",
        ],
    ),
    (
        "R3",
        &[
            "r3_each_instance_gets_its_own_ids",
            "r3_one_instance_that_fails_does_not_spoil_the_others",
        ],
    ),
    ("R4", &["r4_a_foreign_id_is_as_if_it_did_not_exist", "r4_no_recording_changes_its_owner"]),
    ("R5", &["r5_what_is_missing_is_said_in_bbbs_words_and_order"]),
    ("R6", &["r6_text_tracks_are_put_and_listed_on_the_recordings_instance"]),
    (
        "R7",
        &[
            "r7_a_new_recording_is_in_a_page_before_the_next_poll",
            "r7_new_recordings_without_a_tag_are_in_their_owners_page",
            "r7_a_recording_that_an_instance_says_is_ready_is_in_the_next_page",
            "r7_what_was_changed_is_in_the_next_page_as_it_is_now",
            "r7_a_new_recording_is_found_before_the_next_poll",
        ],
    ),
    (
        "R8",
        &[
            "r8_an_instance_that_is_away_over_a_restart_loses_none_of_its_recordings",
            "r8_what_was_deleted_does_not_come_back_over_a_restart",
            "r8_only_what_changed_is_written_and_what_left_the_pool_is_removed",
            "r8_an_instance_that_is_away_loses_none_of_its_recordings",
            "r8_what_was_deleted_or_unpublished_does_not_come_back_while_its_instance_is_away",
            "r8_nothing_is_said_to_be_gone_that_could_not_be_asked_for",
            "r8_the_actor_learns_all_again_after_a_crash",
            "r8_a_replica_that_starts_later_knows_the_recordings_of_an_instance_that_is_away",
        ],
    ),
    (
        "R9",
        &[
            "r9_replicas_share_hooks_and_either_takes_events",
            "r9_hooks_come_back_when_redis_lost_them",
            "r9_events_are_resigned_with_ts_secret_of_ts_meetings_only",
            "r9_an_event_is_passed_on_byte_for_byte",
            "r9_a_hook_gets_the_meeting_and_the_events_it_asked_for",
            "r9_what_is_forged_or_foreign_reaches_nobody",
            "r9_an_event_of_a_meeting_made_without_us_is_dropped",
            "r9_a_tenants_server_that_is_away_gets_its_events_later_and_once",
            "r9_an_event_shows_the_tenants_own_callback_urls",
            "r9_events_of_recordings_find_their_tenant_after_a_restart",
            "r9_a_meetings_first_event_is_enough_to_find_its_tenant",
            "r9_a_meeting_of_the_same_name_on_the_same_instance_is_another_meeting",
            "r9_hooks_create_list_destroy_in_the_words_of_bbb",
            "r9_a_hook_call_is_refused_in_the_words_of_hooks",
            "r9_without_a_base_url_no_hook_is_made",
            "r9_a_tenant_has_a_bounded_number_of_hooks",
            "r9_registered_on_every_instance_of_ts_pool_now_and_later",
            "r9_an_instance_that_lost_its_hooks_or_was_away_has_them_again",
            "r9_webhooks_that_know_sha1_only_or_are_not_there_harm_nothing",
            "r9_hooks_survive_a_restart_of_the_program",
            "r9_a_restarted_actor_knows_its_hooks",
        ],
    ),
    (
        "R10",
        &[
            "r10_what_one_replica_accepted_another_delivers_once",
            "r10_an_instance_that_repeats_its_call_is_delivered_once_over_a_restart_too",
            "r10_two_meetings_of_one_name_are_two_callbacks",
            "r10_what_fails_is_tried_again_with_growing_waits_and_dies_after_retry_for",
            "r10_answers_that_end_a_delivery_are_those_of_bbb",
            "r10_a_secret_that_was_rotated_meanwhile_signs",
            "r10_callbacks_of_a_deleted_tenant_are_dead_letters_and_new_ones_are_gone",
            "r10_the_actor_goes_on_after_a_crash",
            "r10_a_full_queue_refuses_and_one_slow_host_does_not_hold_up_others",
            "r10_what_no_instance_signed_is_refused",
            "r10_a_retired_instances_signature_counts_and_a_body_is_bounded",
            "r10_admins_list_retry_and_drop_callbacks",
            "r10_every_callback_is_verified_signed_anew_and_delivered_once",
            "r10_the_client_sees_its_own_urls_and_the_instance_ours",
            "r10_recordings_show_the_clients_urls_and_are_known_at_once",
            "r10_the_meetings_usage_is_down_at_once",
            "r10_nothing_is_rewritten_without_a_base_url",
            "r10_callbacks_of_two_tenants_go_to_their_own_servers",
        ],
    ),
    (
        "R11",
        &[
            "r11_a_target_that_is_refused_by_policy_is_a_dead_letter_at_once",
            "r11_no_target_inside_our_network_is_called_however_it_is_written",
            "r11_a_wrong_scheme_or_no_url_is_refused",
            "r11_what_is_allowed_is_called_and_no_redirect_is_followed",
            "r11_slow_and_endless_answers_are_bounded",
        ],
    ),
];

/// The rows X (what real servers and front ends taught), and stories of each; a line per story, in order.
#[rustfmt::skip]
const REAL: &[(&str, &[&str])] = &[
    ("X1", &[
        "x1_whatever_t_calls_its_meetings_nothing_of_us_is_shown_joined_written_to_or_ended",
        "x1_a_meeting_that_comes_later_is_no_more_reached_than_one_that_was_there_first",
        "x1_after_kill_9_every_meeting_is_still_its_own",
        "x1_on_every_replica_every_meeting_is_its_own",
        "x1_an_answer_about_another_meeting_is_not_passed_on_whatever_its_server_took_the_id_for",
    ]),
    ("X2", &[
        "x2_short_numbers_beside_two_hundred_meetings_are_each_their_own_meeting",
    ]),
    ("X3", &[
        "x3_a_copy_of_room_12_is_ended_and_not_the_meeting_whose_internal_id_begins_with_12",
    ]),
    ("X4", &[]),
    ("X5", &[]),
    ("X6", &[
        "x6_the_list_posted_again_in_another_spelling_changes_nothing_for_running_meetings",
        "x6_two_spellings_in_one_list_are_one_instance_or_a_clear_refusal",
        "x6_routes_of_an_older_spelling_are_found_after_a_restart_and_on_replicas",
        "x6_an_ip_address_for_a_name_takes_its_place_with_its_meetings",
        "x6_an_ip_address_takes_the_place_of_a_name_that_is_not_known_any_more",
        "x6_two_addresses_of_a_server_in_one_list_are_one_instance",
        "x6_two_addresses_of_a_server_are_one_instance_over_a_restart",
        "x6_an_ip_address_takes_the_place_of_a_name_on_two_replicas",
        "x6_an_address_that_comes_to_mean_another_server_is_an_instance_of_its_own",
    ]),
    ("X7", &["x7_a_silent_instance_that_was_taken_out_is_kept_with_its_meetings_until_seen_empty"]),
    ("X8", &["x8_recordings_of_an_instance_that_was_taken_out_do_not_vanish_unsaid"]),
    ("X9", &[]),
    ("X10", &[]),
    ("X11", &[
        "x11_150_recordings_of_one_format_are_listed_once_with_the_right_total",
        "x11_60_recordings_of_two_formats_are_listed_once_with_both",
        "x11_40_recordings_of_four_formats_are_listed_once_with_all_four",
        "x11_recordings_of_unequal_formats_are_listed_once_with_all_also_at_a_full_page",
        "x11_a_pool_of_every_generation_lists_all_of_them",
        "x11_a_change_is_in_the_next_list_with_every_format",
        "x11_the_count_check_finds_what_is_new_and_nothing_else",
        "x11_how_many_there_are_is_not_said_while_a_living_server_never_said_it",
    ]),
    ("X12", &[
        "x12_hooks_that_never_answer_hold_up_no_callback_of_anyone",
        "x12_callbacks_of_a_host_whose_hooks_never_answer_are_delivered_too",
        "x12_a_target_that_works_again_gets_what_is_news",
    ]),
    ("X13", &[
        "x13_what_waits_for_a_hook_goes_when_it_is_destroyed",
    ]),
    ("X14", &[]),
    ("X15", &[]),
    ("X16", &[
        "x16_the_first_of_the_ready_urls_is_called_with_ts_secret_and_no_other",
        "x16_a_breakout_rooms_inherited_callbacks_are_its_parents_tenants",
        "x16_the_lrs_payload_is_opened_with_ts_secrets_and_sealed_with_the_servers",
    ]),
    ("X17", &[]),
    ("X18", &[
        "x18_a_form_stays_a_form_and_reaches_servers_that_take_8_kb_in_a_line",
        "x18_what_grows_beyond_7_kb_on_its_way_goes_as_a_form",
        "x18_413_and_414_of_all_servers_are_the_requests_fault_and_said",
    ]),
    ("X19", &[]),
    ("X20", &[]),
    ("X21", &[
        "x21_a_parent_means_nothing_without_is_breakout",
        "x21_a_parent_is_found_by_its_id_or_its_internal_id_and_is_no_other_meeting",
    ]),
    ("X22", &[
        "x22_an_agents_tag_that_is_no_instances_is_said_once_in_the_log_on_readyz_and_to_admins",
        "x22_a_tag_that_our_own_ingest_hears_is_said_within_seconds",
        "x22_a_pool_that_names_no_instance_is_said_in_the_answer_the_log_and_on_readyz",
        "x22_secrets_with_blanks_around_are_refused_and_stored_ones_are_said",
        "x22_callbacks_without_a_base_url_are_said_once_and_a_webhook_is_refused_with_the_reason",
        "x22_a_shell_is_told_what_to_see_to",
    ]),
    ("X23", &[
        "x23_a_tenant_gets_another_host_and_its_meetings_recordings_hooks_and_callbacks_go_along",
        "x23_a_renamed_tenant_is_known_on_every_replica_within_a_second_and_after_a_restart",
        "x23_nobody_else_gets_the_old_name_or_a_host_that_is_taken",
        "x23_a_tenant_is_renamed_from_a_shell",
    ]),
    ("X24", &[
        "x24_the_first_admin_calls_wait_for_the_store",
        "x24_the_first_measurements_of_agents_count_within_two_seconds",
        "x24_the_first_measurements_in_a_database_count_within_two_seconds",
    ]),
    ("X25", &[
        "x25_a_meeting_whose_internal_id_says_nothing_of_it_is_found_all_the_while",
        "x25_an_id_with_runs_of_blanks_is_one_meeting_however_it_is_listed",
        "x25_a_breakout_room_that_the_api_made_on_bbb_2_5_is_found_all_the_while",
    ]),
];

fn all_rows() -> impl Iterator<Item = &'static (&'static str, &'static [&'static str])> {
    ROWS.iter().chain(REAL)
}

/// The names of the tests in a source: functions that have an attribute `test` and are not ignored.
fn tests(source: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            is_ignored |= line.starts_with("#[ignore");
        } else if !line.starts_with("//") && !line.is_empty() {
            let function = line.trim_start_matches("async ").strip_prefix("fn ");
            let name = function.and_then(|f| f.split(['(', '<']).next());
            tests.extend(name.filter(|_| is_test && !is_ignored).map(str::to_owned));
            (is_test, is_ignored) = (false, false);
        }
    }
    tests
}

fn all_tests() -> BTreeSet<String> {
    let read = |path| fs::read_to_string(path).expect("a source file");
    rust_files("tests/it").into_iter().flat_map(|path| tests(&read(path))).collect()
}

/// The row that a test's name starts with, as `M4` for `m4_garbage`.
fn row_of(name: &str) -> Option<String> {
    let (id, _) = name.split_once('_')?;
    let number = id.strip_prefix(['c', 'm', 'r', 'x'])?;
    number.parse::<u8>().is_ok().then(|| id.to_uppercase())
}

#[test]
fn tests_are_found_in_a_source_and_ignored_ones_are_not() {
    let source = "#[test]\nfn c1_a() {}\n#[tokio::test(x)]\nasync fn m2_b() {}\nfn m3_c() {}\n\
        #[test]\n#[ignore = \"slow\"]\nfn r4_d() {}\n/// Says.\n#[test]\nfn plain() {}";
    let found: Vec<_> = tests(source).into_iter().collect();
    assert_eq!(found, ["c1_a", "m2_b", "plain"]);
    assert_eq!(row_of("m29_xml").as_deref(), Some("M29"));
    assert_eq!((row_of("malformed_x"), row_of("p1_x"), row_of("m_x")), (None, None, None));
}

#[test]
fn every_row_stands_in_the_list_once() {
    let expected = [('C', 15), ('M', 29), ('R', 11)]
        .into_iter()
        .flat_map(|(kind, last)| (1..=last).map(move |n| format!("{kind}{n}")));
    let listed: Vec<_> = ROWS.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(listed, expected.collect::<Vec<_>>());
    let numbers: Vec<u8> =
        REAL.iter().map(|(id, _)| id[1..].parse().expect("a number behind X")).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.iter().all(|n| (1..=25).contains(n)));
}

#[test]
fn every_row_has_a_story_and_every_named_story_is_told() {
    let told = all_tests();
    let mut stories: BTreeMap<String, usize> = BTreeMap::new();
    for row in told.iter().filter_map(|name| row_of(name)) {
        *stories.entry(row).or_default() += 1;
    }
    let mut missing = Vec::new();
    for (id, named) in all_rows() {
        let lost = named.iter().filter(|name| !told.contains(**name));
        missing.extend(lost.map(|name| format!("{id}: the story {name} is gone")));
        if named.is_empty() && !stories.contains_key(*id) {
            missing.push(format!("{id}: no story tells it"));
        }
    }
    for row in stories.keys().filter(|row| !all_rows().any(|(id, _)| id == row)) {
        missing.push(format!("{row}: there is no such row"));
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

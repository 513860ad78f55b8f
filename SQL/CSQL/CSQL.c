// Every file of migrations/ and functions/, in the order in which they are applied. C, because #embed reads a file in no
// time, where the same octets as a Swift array literal took the compiler 20 s.
// A new file needs its line in one of the two lists and its array above them.

#include "CSQL.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const char migrations_0001_schema[] = {
#embed "../migrations/0001_schema.sql" suffix(, 0)
};

static const char migrations_0002_delivery[] = {
#embed "../migrations/0002_delivery.sql" suffix(, 0)
};
static const char migrations_0003_control[] = {
#embed "../migrations/0003_control.sql" suffix(, 0)
};
static const char migrations_0004_suppression[] = {
#embed "../migrations/0004_suppression.sql" suffix(, 0)
};
static const char migrations_0005_history[] = {
#embed "../migrations/0005_history.sql" suffix(, 0)
};
static const char migrations_0006_lease[] = {
#embed "../migrations/0006_lease.sql" suffix(, 0)
};
static const char migrations_0007_unreadable[] = {
#embed "../migrations/0007_unreadable.sql" suffix(, 0)
};
static const char migrations_0008_owner_lock[] = {
#embed "../migrations/0008_owner_lock.sql" suffix(, 0)
};
static const char migrations_0009_delay_told[] = {
#embed "../migrations/0009_delay_told.sql" suffix(, 0)
};
static const char migrations_0010_foreign_names[] = {
#embed "../migrations/0010_foreign_names.sql" suffix(, 0)
};

static const struct sql_file migrations[] = {
    {"0001_schema", migrations_0001_schema},
    {"0002_delivery", migrations_0002_delivery},
    {"0003_control", migrations_0003_control},
    {"0004_suppression", migrations_0004_suppression},
    {"0005_history", migrations_0005_history},
    {"0006_lease", migrations_0006_lease},
    {"0007_unreadable", migrations_0007_unreadable},
    {"0008_owner_lock", migrations_0008_owner_lock},
    {"0009_delay_told", migrations_0009_delay_told},
    {"0010_foreign_names", migrations_0010_foreign_names},
    {0, 0},
};

const struct sql_file *sql_migrations_list(void) { return migrations; }

static const char functions_accept[] = {
#embed "../functions/accept.sql" suffix(, 0)
};
static const char functions_admin_credential_certificate_add[] = {
#embed "../functions/admin_credential_certificate_add.sql" suffix(, 0)
};
static const char functions_admin_credential_certificate_remove[] = {
#embed "../functions/admin_credential_certificate_remove.sql" suffix(, 0)
};
static const char functions_admin_credential_check[] = {
#embed "../functions/admin_credential_check.sql" suffix(, 0)
};
static const char functions_admin_credential_issue[] = {
#embed "../functions/admin_credential_issue.sql" suffix(, 0)
};
static const char functions_admin_credential_issue_many[] = {
#embed "../functions/admin_credential_issue_many.sql" suffix(, 0)
};
static const char functions_admin_credential_limits[] = {
#embed "../functions/admin_credential_limits.sql" suffix(, 0)
};
static const char functions_admin_credential_problems[] = {
#embed "../functions/admin_credential_problems.sql" suffix(, 0)
};
static const char functions_admin_credential_resume[] = {
#embed "../functions/admin_credential_resume.sql" suffix(, 0)
};
static const char functions_admin_credential_revoke[] = {
#embed "../functions/admin_credential_revoke.sql" suffix(, 0)
};
static const char functions_admin_credential_rotate[] = {
#embed "../functions/admin_credential_rotate.sql" suffix(, 0)
};
static const char functions_admin_credential_set[] = {
#embed "../functions/admin_credential_set.sql" suffix(, 0)
};
static const char functions_admin_credential_suspend[] = {
#embed "../functions/admin_credential_suspend.sql" suffix(, 0)
};
static const char functions_admin_domain_add[] = {
#embed "../functions/admin_domain_add.sql" suffix(, 0)
};
static const char functions_admin_domain_remove[] = {
#embed "../functions/admin_domain_remove.sql" suffix(, 0)
};
static const char functions_admin_domain_verified[] = {
#embed "../functions/admin_domain_verified.sql" suffix(, 0)
};
static const char functions_admin_event_after[] = {
#embed "../functions/admin_event_after.sql" suffix(, 0)
};
static const char functions_admin_event_list[] = {
#embed "../functions/admin_event_list.sql" suffix(, 0)
};
static const char functions_admin_explain[] = {
#embed "../functions/admin_explain.sql" suffix(, 0)
};
static const char functions_admin_explain_trial[] = {
#embed "../functions/admin_explain_trial.sql" suffix(, 0)
};
static const char functions_admin_health[] = {
#embed "../functions/admin_health.sql" suffix(, 0)
};
static const char functions_admin_ledger_entries[] = {
#embed "../functions/admin_ledger_entries.sql" suffix(, 0)
};
static const char functions_admin_message_ledger[] = {
#embed "../functions/admin_message_ledger.sql" suffix(, 0)
};
static const char functions_admin_plan_apply[] = {
#embed "../functions/admin_plan_apply.sql" suffix(, 0)
};
static const char functions_admin_plan_create[] = {
#embed "../functions/admin_plan_create.sql" suffix(, 0)
};
static const char functions_admin_plan_delete[] = {
#embed "../functions/admin_plan_delete.sql" suffix(, 0)
};
static const char functions_admin_plan_set[] = {
#embed "../functions/admin_plan_set.sql" suffix(, 0)
};
static const char functions_admin_pool_create[] = {
#embed "../functions/admin_pool_create.sql" suffix(, 0)
};
static const char functions_admin_pool_delete[] = {
#embed "../functions/admin_pool_delete.sql" suffix(, 0)
};
static const char functions_admin_queue_list[] = {
#embed "../functions/admin_queue_list.sql" suffix(, 0)
};
static const char functions_admin_queue_retry[] = {
#embed "../functions/admin_queue_retry.sql" suffix(, 0)
};
static const char functions_admin_queue_show[] = {
#embed "../functions/admin_queue_show.sql" suffix(, 0)
};
static const char functions_admin_relay_add[] = {
#embed "../functions/admin_relay_add.sql" suffix(, 0)
};
static const char functions_admin_relay_drain[] = {
#embed "../functions/admin_relay_drain.sql" suffix(, 0)
};
static const char functions_admin_relay_remove[] = {
#embed "../functions/admin_relay_remove.sql" suffix(, 0)
};
static const char functions_admin_relay_set[] = {
#embed "../functions/admin_relay_set.sql" suffix(, 0)
};
static const char functions_admin_suppression_add[] = {
#embed "../functions/admin_suppression_add.sql" suffix(, 0)
};
static const char functions_admin_suppression_list[] = {
#embed "../functions/admin_suppression_list.sql" suffix(, 0)
};
static const char functions_admin_suppression_remove[] = {
#embed "../functions/admin_suppression_remove.sql" suffix(, 0)
};
static const char functions_admin_tenant_contents[] = {
#embed "../functions/admin_tenant_contents.sql" suffix(, 0)
};
static const char functions_admin_tenant_create[] = {
#embed "../functions/admin_tenant_create.sql" suffix(, 0)
};
static const char functions_admin_tenant_delete[] = {
#embed "../functions/admin_tenant_delete.sql" suffix(, 0)
};
static const char functions_admin_tenant_export[] = {
#embed "../functions/admin_tenant_export.sql" suffix(, 0)
};
static const char functions_admin_tenant_purge[] = {
#embed "../functions/admin_tenant_purge.sql" suffix(, 0)
};
static const char functions_admin_tenant_report_login[] = {
#embed "../functions/admin_tenant_report_login.sql" suffix(, 0)
};
static const char functions_admin_tenant_resume[] = {
#embed "../functions/admin_tenant_resume.sql" suffix(, 0)
};
static const char functions_admin_tenant_set[] = {
#embed "../functions/admin_tenant_set.sql" suffix(, 0)
};
static const char functions_admin_tenant_suspend[] = {
#embed "../functions/admin_tenant_suspend.sql" suffix(, 0)
};
static const char functions_admin_usage[] = {
#embed "../functions/admin_usage.sql" suffix(, 0)
};
static const char functions_admin_usage_history[] = {
#embed "../functions/admin_usage_history.sql" suffix(, 0)
};
static const char functions_admin_usage_tenants[] = {
#embed "../functions/admin_usage_tenants.sql" suffix(, 0)
};
static const char functions_audited[] = {
#embed "../functions/audited.sql" suffix(, 0)
};
static const char functions_cancel[] = {
#embed "../functions/cancel.sql" suffix(, 0)
};
static const char functions_cancel_recipients[] = {
#embed "../functions/cancel_recipients.sql" suffix(, 0)
};
static const char functions_certificate_login[] = {
#embed "../functions/certificate_login.sql" suffix(, 0)
};
static const char functions_claim[] = {
#embed "../functions/claim.sql" suffix(, 0)
};
static const char functions_clock[] = {
#embed "../functions/clock.sql" suffix(, 0)
};
static const char functions_clock_plain[] = {
#embed "../functions/clock_plain.sql" suffix(, 0)
};
static const char functions_correspondent_fill[] = {
#embed "../functions/correspondent_fill.sql" suffix(, 0)
};
static const char functions_correspondent_prepare[] = {
#embed "../functions/correspondent_prepare.sql" suffix(, 0)
};
static const char functions_credential_changed[] = {
#embed "../functions/credential_changed.sql" suffix(, 0)
};
static const char functions_credential_make[] = {
#embed "../functions/credential_make.sql" suffix(, 0)
};
static const char functions_credential_named[] = {
#embed "../functions/credential_named.sql" suffix(, 0)
};
static const char functions_credential_terms[] = {
#embed "../functions/credential_terms.sql" suffix(, 0)
};
static const char functions_credential_used[] = {
#embed "../functions/credential_used.sql" suffix(, 0)
};
static const char functions_event_bound[] = {
#embed "../functions/event_bound.sql" suffix(, 0)
};
static const char functions_event_filter[] = {
#embed "../functions/event_filter.sql" suffix(, 0)
};
static const char functions_event_position[] = {
#embed "../functions/event_position.sql" suffix(, 0)
};
static const char functions_event_restored[] = {
#embed "../functions/event_restored.sql" suffix(, 0)
};
static const char functions_first_moment[] = {
#embed "../functions/first_moment.sql" suffix(, 0)
};
static const char functions_free_rows[] = {
#embed "../functions/free_rows.sql" suffix(, 0)
};
static const char functions_incarnation[] = {
#embed "../functions/incarnation.sql" suffix(, 0)
};
static const char functions_instant_text[] = {
#embed "../functions/instant_text.sql" suffix(, 0)
};
static const char functions_limit_defaults[] = {
#embed "../functions/limit_defaults.sql" suffix(, 0)
};
static const char functions_limit_value[] = {
#embed "../functions/limit_value.sql" suffix(, 0)
};
static const char functions_lock_meters[] = {
#embed "../functions/lock_meters.sql" suffix(, 0)
};
static const char functions_login[] = {
#embed "../functions/login.sql" suffix(, 0)
};
static const char functions_move_stragglers[] = {
#embed "../functions/move_stragglers.sql" suffix(, 0)
};
static const char functions_owner_free[] = {
#embed "../functions/owner_free.sql" suffix(, 0)
};
static const char functions_owner_leases[] = {
#embed "../functions/owner_leases.sql" suffix(, 0)
};
static const char functions_owner_lock[] = {
#embed "../functions/owner_lock.sql" suffix(, 0)
};
static const char functions_owner_locked[] = {
#embed "../functions/owner_locked.sql" suffix(, 0)
};
static const char functions_owner_reclaim[] = {
#embed "../functions/owner_reclaim.sql" suffix(, 0)
};
static const char functions_owner_renew[] = {
#embed "../functions/owner_renew.sql" suffix(, 0)
};
static const char functions_owner_start[] = {
#embed "../functions/owner_start.sql" suffix(, 0)
};
static const char functions_owner_stop[] = {
#embed "../functions/owner_stop.sql" suffix(, 0)
};
static const char functions_owners[] = {
#embed "../functions/owners.sql" suffix(, 0)
};
static const char functions_plan_id[] = {
#embed "../functions/plan_id.sql" suffix(, 0)
};
static const char functions_plan_limits[] = {
#embed "../functions/plan_limits.sql" suffix(, 0)
};
static const char functions_pool_lock[] = {
#embed "../functions/pool_lock.sql" suffix(, 0)
};
static const char functions_pools[] = {
#embed "../functions/pools.sql" suffix(, 0)
};
static const char functions_recalled[] = {
#embed "../functions/recalled.sql" suffix(, 0)
};
static const char functions_refund[] = {
#embed "../functions/refund.sql" suffix(, 0)
};
static const char functions_refused[] = {
#embed "../functions/refused.sql" suffix(, 0)
};
static const char functions_relay_write[] = {
#embed "../functions/relay_write.sql" suffix(, 0)
};
static const char functions_report_tenant_id[] = {
#embed "../functions/report_tenant_id.sql" suffix(, 0)
};
static const char functions_report_views[] = {
#embed "../functions/report_views.sql" suffix(, 0)
};
static const char functions_reset[] = {
#embed "../functions/reset.sql" suffix(, 0)
};
static const char functions_resolve[] = {
#embed "../functions/resolve.sql" suffix(, 0)
};
static const char functions_resubmissible[] = {
#embed "../functions/resubmissible.sql" suffix(, 0)
};
static const char functions_rolling[] = {
#embed "../functions/rolling.sql" suffix(, 0)
};
static const char functions_secret[] = {
#embed "../functions/secret.sql" suffix(, 0)
};
static const char functions_settle[] = {
#embed "../functions/settle.sql" suffix(, 0)
};
static const char functions_shell_word[] = {
#embed "../functions/shell_word.sql" suffix(, 0)
};
static const char functions_suppressed[] = {
#embed "../functions/suppressed.sql" suffix(, 0)
};
static const char functions_tenant_changed[] = {
#embed "../functions/tenant_changed.sql" suffix(, 0)
};
static const char functions_tenant_id[] = {
#embed "../functions/tenant_id.sql" suffix(, 0)
};
static const char functions_tenant_remains[] = {
#embed "../functions/tenant_remains.sql" suffix(, 0)
};
static const char functions_tenant_store[] = {
#embed "../functions/tenant_store.sql" suffix(, 0)
};
static const char functions_upkeep_cancelled[] = {
#embed "../functions/upkeep_cancelled.sql" suffix(, 0)
};
static const char functions_upkeep_expired[] = {
#embed "../functions/upkeep_expired.sql" suffix(, 0)
};
static const char functions_upkeep_orphans[] = {
#embed "../functions/upkeep_orphans.sql" suffix(, 0)
};
static const char functions_upkeep_partitions[] = {
#embed "../functions/upkeep_partitions.sql" suffix(, 0)
};
static const char functions_usage_verify[] = {
#embed "../functions/usage_verify.sql" suffix(, 0)
};
static const char functions_views[] = {
#embed "../functions/views.sql" suffix(, 0)
};
static const char functions_warning_noticed[] = {
#embed "../functions/warning_noticed.sql" suffix(, 0)
};
static const char functions_warnings[] = {
#embed "../functions/warnings.sql" suffix(, 0)
};

static const struct sql_file functions[] = {
    {"accept", functions_accept},
    {"admin_credential_certificate_add", functions_admin_credential_certificate_add},
    {"admin_credential_certificate_remove", functions_admin_credential_certificate_remove},
    {"admin_credential_check", functions_admin_credential_check},
    {"admin_credential_issue", functions_admin_credential_issue},
    {"admin_credential_issue_many", functions_admin_credential_issue_many},
    {"admin_credential_limits", functions_admin_credential_limits},
    {"admin_credential_problems", functions_admin_credential_problems},
    {"admin_credential_resume", functions_admin_credential_resume},
    {"admin_credential_revoke", functions_admin_credential_revoke},
    {"admin_credential_rotate", functions_admin_credential_rotate},
    {"admin_credential_set", functions_admin_credential_set},
    {"admin_credential_suspend", functions_admin_credential_suspend},
    {"admin_domain_add", functions_admin_domain_add},
    {"admin_domain_remove", functions_admin_domain_remove},
    {"admin_domain_verified", functions_admin_domain_verified},
    {"admin_event_after", functions_admin_event_after},
    {"admin_event_list", functions_admin_event_list},
    {"admin_explain", functions_admin_explain},
    {"admin_explain_trial", functions_admin_explain_trial},
    {"admin_health", functions_admin_health},
    {"admin_ledger_entries", functions_admin_ledger_entries},
    {"admin_message_ledger", functions_admin_message_ledger},
    {"admin_plan_apply", functions_admin_plan_apply},
    {"admin_plan_create", functions_admin_plan_create},
    {"admin_plan_delete", functions_admin_plan_delete},
    {"admin_plan_set", functions_admin_plan_set},
    {"admin_pool_create", functions_admin_pool_create},
    {"admin_pool_delete", functions_admin_pool_delete},
    {"admin_queue_list", functions_admin_queue_list},
    {"admin_queue_retry", functions_admin_queue_retry},
    {"admin_queue_show", functions_admin_queue_show},
    {"admin_relay_add", functions_admin_relay_add},
    {"admin_relay_drain", functions_admin_relay_drain},
    {"admin_relay_remove", functions_admin_relay_remove},
    {"admin_relay_set", functions_admin_relay_set},
    {"admin_suppression_add", functions_admin_suppression_add},
    {"admin_suppression_list", functions_admin_suppression_list},
    {"admin_suppression_remove", functions_admin_suppression_remove},
    {"admin_tenant_contents", functions_admin_tenant_contents},
    {"admin_tenant_create", functions_admin_tenant_create},
    {"admin_tenant_delete", functions_admin_tenant_delete},
    {"admin_tenant_export", functions_admin_tenant_export},
    {"admin_tenant_purge", functions_admin_tenant_purge},
    {"admin_tenant_report_login", functions_admin_tenant_report_login},
    {"admin_tenant_resume", functions_admin_tenant_resume},
    {"admin_tenant_set", functions_admin_tenant_set},
    {"admin_tenant_suspend", functions_admin_tenant_suspend},
    {"admin_usage", functions_admin_usage},
    {"admin_usage_history", functions_admin_usage_history},
    {"admin_usage_tenants", functions_admin_usage_tenants},
    {"audited", functions_audited},
    {"cancel", functions_cancel},
    {"cancel_recipients", functions_cancel_recipients},
    {"certificate_login", functions_certificate_login},
    {"claim", functions_claim},
    {"clock", functions_clock},
    {"clock_plain", functions_clock_plain},
    {"correspondent_fill", functions_correspondent_fill},
    {"correspondent_prepare", functions_correspondent_prepare},
    {"credential_changed", functions_credential_changed},
    {"credential_make", functions_credential_make},
    {"credential_named", functions_credential_named},
    {"credential_terms", functions_credential_terms},
    {"credential_used", functions_credential_used},
    {"event_bound", functions_event_bound},
    {"event_filter", functions_event_filter},
    {"event_position", functions_event_position},
    {"event_restored", functions_event_restored},
    {"first_moment", functions_first_moment},
    {"free_rows", functions_free_rows},
    {"incarnation", functions_incarnation},
    {"instant_text", functions_instant_text},
    {"limit_defaults", functions_limit_defaults},
    {"limit_value", functions_limit_value},
    {"lock_meters", functions_lock_meters},
    {"login", functions_login},
    {"move_stragglers", functions_move_stragglers},
    {"owner_free", functions_owner_free},
    {"owner_leases", functions_owner_leases},
    {"owner_lock", functions_owner_lock},
    {"owner_locked", functions_owner_locked},
    {"owner_reclaim", functions_owner_reclaim},
    {"owner_renew", functions_owner_renew},
    {"owner_start", functions_owner_start},
    {"owner_stop", functions_owner_stop},
    {"owners", functions_owners},
    {"plan_id", functions_plan_id},
    {"plan_limits", functions_plan_limits},
    {"pool_lock", functions_pool_lock},
    {"pools", functions_pools},
    {"recalled", functions_recalled},
    {"refund", functions_refund},
    {"refused", functions_refused},
    {"relay_write", functions_relay_write},
    {"report_tenant_id", functions_report_tenant_id},
    {"report_views", functions_report_views},
    {"reset", functions_reset},
    {"resolve", functions_resolve},
    {"resubmissible", functions_resubmissible},
    {"rolling", functions_rolling},
    {"secret", functions_secret},
    {"settle", functions_settle},
    {"shell_word", functions_shell_word},
    {"suppressed", functions_suppressed},
    {"tenant_changed", functions_tenant_changed},
    {"tenant_id", functions_tenant_id},
    {"tenant_remains", functions_tenant_remains},
    {"tenant_store", functions_tenant_store},
    {"upkeep_cancelled", functions_upkeep_cancelled},
    {"upkeep_expired", functions_upkeep_expired},
    {"upkeep_orphans", functions_upkeep_orphans},
    {"upkeep_partitions", functions_upkeep_partitions},
    {"usage_verify", functions_usage_verify},
    {"views", functions_views},
    {"warning_noticed", functions_warning_noticed},
    {"warnings", functions_warnings},
    {0, 0},
};

const struct sql_file *sql_functions_list(void) { return functions; }

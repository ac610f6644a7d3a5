package terraform.change_size_test

import data.terraform.change_size

plan(number, at) := {
	"run": {"created_at": at},
	"plan": {"resource_changes": [{"change": {"actions": ["create"]}} | some _ in numbers.range(1, number)]},
}

# A Wednesday in winter, by Berlin's clocks an hour after UTC.
test_many_at_work if {
	count(change_size.deny) == 0 with input as plan(20, "2026-01-14T09:00:00Z")
}

test_many_at_night if {
	change_size.deny == {"20 changes at once; at this hour 5 at most"} with input as plan(20, "2026-01-14T02:00:00Z")
}

test_many_on_sunday if {
	count(change_size.deny) == 1 with input as plan(20, "2026-01-18T10:00:00Z")
}

test_few_at_night if {
	count(change_size.deny) == 0 with input as plan(5, "2026-01-14T02:00:00Z")
}

test_too_many_at_any_time if {
	count(change_size.deny) == 1 with input as plan(51, "2026-01-14T09:00:00Z")
}

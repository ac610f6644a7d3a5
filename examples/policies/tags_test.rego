package terraform.tags_test

import data.terraform.tags

resource(after) := {"plan": {"resource_changes": [{
	"address": "aws_instance.web",
	"type": "aws_instance",
	"change": {"actions": ["create"], "after": after, "after_unknown": {}},
}]}}

test_all_tags_are_there if {
	count(tags.deny) == 0 with input as resource({"tags": {"owner": "net", "environment": "prod"}})
}

test_one_is_lacking if {
	tags.deny == {"aws_instance.web lacks the tags owner"} with input as resource({"tags": {"owner": "", "environment": "prod"}})
}

test_no_tags_at_all if {
	tags.deny == {"aws_instance.web lacks the tags environment, owner"} with input as resource({"tags": null})
}

test_what_takes_no_tags_needs_none if {
	count(tags.deny) == 0 with input as resource({"name": "x"})
}

package terraform.stateful_test

import data.terraform.stateful

bucket(actions) := {"plan": {"resource_changes": [{
	"address": "aws_s3_bucket.logs",
	"type": "aws_s3_bucket",
	"change": {"actions": actions},
}]}}

test_a_bucket_may_be_made if {
	count(stateful.deny) == 0 with input as bucket(["create"])
}

test_a_bucket_is_not_destroyed if {
	stateful.deny == {"aws_s3_bucket.logs holds data and would be destroyed"} with input as bucket(["delete"])
}

test_a_bucket_is_not_replaced if {
	stateful.deny == {"aws_s3_bucket.logs holds data and would be replaced"} with input as bucket(["delete", "create"])
}

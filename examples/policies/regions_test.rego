package terraform.regions_test

import data.terraform.regions

plan(region) := {"plan": {
	"resource_changes": [],
	"configuration": {"provider_config": {"aws": {"expressions": {"region": {"constant_value": region}}}}},
}}

test_at_home if {
	count(regions.deny) == 0 with input as plan("eu-central-1")
}

test_far_away if {
	count(regions.deny) == 1 with input as plan("us-east-1")
}

test_a_resource_far_away if {
	count(regions.deny) == 1 with input as {"plan": {"resource_changes": [{"address": "aws_s3_bucket.a", "change": {"after": {"region": "us-east-1"}}}]}}
}

test_what_has_no_region if {
	count(regions.deny) == 0 with input as {"plan": {"resource_changes": [{"address": "aws_iam_role.a", "change": {"after": null}}]}}
}

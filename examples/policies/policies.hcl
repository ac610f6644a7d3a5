policy "no-destroy-of-stateful" {
  description       = "Databases, buckets and volumes are not destroyed or replaced"
  query             = "data.terraform.stateful.deny"
  enforcement_level = "hard-mandatory"
}

policy "required-tags" {
  description       = "Whoever finds a resource knows whose it is"
  query             = "data.terraform.tags.deny"
  enforcement_level = "soft-mandatory"
}

policy "no-public-ingress" {
  description       = "Nothing but the load balancers' ports is open to the world"
  query             = "data.terraform.ingress.deny"
  enforcement_level = "hard-mandatory"
}

policy "allowed-regions" {
  description       = "Resources stay in the regions that were agreed on"
  query             = "data.terraform.regions.deny"
  enforcement_level = "soft-mandatory"
}

policy "change-size" {
  description       = "Large changes are made while people are at work to see them"
  query             = "data.terraform.change_size.deny"
  enforcement_level = "advisory"
}

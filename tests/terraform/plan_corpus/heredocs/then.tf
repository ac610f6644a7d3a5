resource "terraform_data" "a" {
  input = <<-EOT
    #!/bin/sh
    set -eu
    apt-get install -y caddy
    - not a deletion
    + no addition
    systemctl enable caddy
    echo one
    echo two
    echo three
    echo four
    echo five
  EOT

}
resource "terraform_data" "new" {
  input = <<-EOT
    #!/bin/sh
    set -eu
    apt-get install -y nginx
    - not a deletion
    + no addition
    systemctl enable nginx
    echo one
    echo two
    echo three
    echo four
    echo five
  EOT

}
resource "terraform_data" "yaml" {
  input = "- name: a\n  run: b\n- name: c\n"

}

resource "terraform_data" "a" {
  input = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = ["s3:GetObject"], Resource = "*" }] })

}
resource "terraform_data" "spaces" {
  input = "{\"a\":1}"

}
resource "terraform_data" "no_more" {
  input = jsonencode({ a = 1 })

}

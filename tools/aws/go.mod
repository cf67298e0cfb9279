// This module pins the AWS SDK that checks the files of examples/aws.
module vault-plugin-secrets-finicity/tools/aws

go 1.26.0

require github.com/aws/aws-sdk-go v1.55.8

require github.com/jmespath/go-jmespath v0.4.0 // indirect

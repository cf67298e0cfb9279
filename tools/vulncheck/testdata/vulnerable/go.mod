// The vulnerable version is there on purpose: see main.go.
module vulnerable

go 1.26.0

require gopkg.in/yaml.v2 v2.2.7

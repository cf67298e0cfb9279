// SPDX-License-Identifier: MPL-2.0

// Command aws checks a file that the AWS CLI sends with --cli-input-json. The request
// must have the fields, types and spelling of the AWS SDK, and all required fields. It
// sends nothing.
//
//	aws ecs register-task-definition FILE
//	aws lambda create-function FILE
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go/service/ecs"
	"github.com/aws/aws-sdk-go/service/lambda"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "aws:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("type aws SERVICE COMMAND FILE")
	}
	text, err := os.ReadFile(args[2])
	if err != nil {
		return err
	}
	switch strings.Join(args[:2], " ") {
	case "ecs register-task-definition":
		input := &ecs.RegisterTaskDefinitionInput{}
		return errors.Join(check(text, input), input.Validate())
	case "lambda create-function":
		// The CLI adds the code, from --zip-file.
		input := &lambda.CreateFunctionInput{Code: &lambda.FunctionCode{}}
		return errors.Join(check(text, input), input.Validate())
	default:
		return fmt.Errorf("no check for %s %s", args[0], args[1])
	}
}

// check decodes the file, and compares the spelling of its fields.
func check(text []byte, input any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(input); err != nil {
		return err
	}
	var sent any
	if err := json.Unmarshal(text, &sent); err != nil {
		return err
	}
	return spelling("", sent, reflect.TypeOf(input))
}

// spelling compares the names of fields with upper and lower case, which encoding/json
// ignores and AWS does not.
func spelling(path string, sent any, of reflect.Type) (err error) {
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch sent := sent.(type) {
	case []any:
		for i, value := range sent {
			err = errors.Join(err, spelling(fmt.Sprintf("%s[%d]", path, i), value, of.Elem()))
		}
	case map[string]any:
		if of.Kind() == reflect.Map {
			return nil // Names that the user chooses.
		}
		for name, value := range sent {
			found := false
			for field := range of.Fields() {
				wire := field.Tag.Get("locationName")
				if wire == "" {
					wire = field.Name
				}
				if wire == name {
					found = true
					err = errors.Join(err, spelling(path+"."+name, value, field.Type))
				}
			}
			if !found {
				err = errors.Join(err, fmt.Errorf("%s.%s: AWS has no such field", path, name))
			}
		}
	}
	return err
}

// SPDX-License-Identifier: MPL-2.0

// Command jq runs a filter on JSON values, as jq does:
//
//	jq -r --arg mount finicity -f audit/read.jq audit.log
//	jq -r .components[].name plugin.cdx.json
//
// It knows only the flags that the documents use. The filter is evaluated by gojq. The
// command of gojq itself is not used, because it needs more modules.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/itchyny/gojq"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "jq:", err)
		os.Exit(2)
	}
}

func run(args []string, out io.Writer) error {
	var raw bool
	var filter string
	var names []string
	var values []any
	for len(args) > 0 && args[0][0] == '-' {
		switch {
		case args[0] == "-r":
			raw, args = true, args[1:]
		case args[0] == "-f" && len(args) > 1:
			text, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			filter, args = string(text), args[2:]
		case args[0] == "--arg" && len(args) > 2:
			names, values, args = append(names, "$"+args[1]), append(values, args[2]), args[3:]
		default:
			return fmt.Errorf("%s is not known here", args[0])
		}
	}
	if filter == "" && len(args) > 0 {
		filter, args = args[0], args[1:]
	}
	if filter == "" || len(args) != 1 {
		return errors.New("usage: jq [-r] [--arg NAME VALUE] { FILTER | -f FILTER_FILE } FILE")
	}
	query, err := gojq.Parse(filter)
	if err != nil {
		return err
	}
	code, err := gojq.Compile(query, gojq.WithVariables(names))
	if err != nil {
		return err
	}
	file, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	for decoder := json.NewDecoder(file); ; {
		var input any
		if err := decoder.Decode(&input); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		for results := code.Run(input, values...); ; {
			result, found := results.Next()
			if !found {
				break
			}
			if err := write(out, result, raw); err != nil {
				return err
			}
		}
	}
}

func write(out io.Writer, result any, raw bool) error {
	if err, failed := result.(error); failed {
		return err
	}
	if text, isText := result.(string); isText && raw {
		_, err := fmt.Fprintln(out, text)
		return err
	}
	text, err := gojq.Marshal(result)
	if err == nil {
		_, err = fmt.Fprintf(out, "%s\n", text)
	}
	return err
}

// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"
)

// checkFields refuses unknown fields and values of the wrong type.
//
// The framework only warns of unknown fields, so a mistyped name would be lost; and it quotes values of the wrong type,
// so a secret sent as a list would stand in an error, in the audit log and, from the existence check, in Vault's log.
// The errors here name the field and never its value.
func (b *backend) checkFields(req *logical.Request) error {
	switch req.Operation {
	case logical.CreateOperation, logical.UpdateOperation, logical.ReadOperation, logical.DeleteOperation:
	default:
		return nil // Vault's own operations, like revoke, bring data that is not the caller's.
	}
	path := b.Route(req.Path)
	if path == nil {
		return nil
	}
	data := framework.FieldData{Raw: req.Data, Schema: path.Fields}
	for _, name := range slices.Sorted(maps.Keys(req.Data)) {
		schema, known := path.Fields[name]
		if !known {
			return fmt.Errorf("unknown field %q: %s takes %s", name, req.Path, fieldNames(path))
		}
		value := req.Data[name]
		if value == nil {
			return fmt.Errorf("field %q is null: leave it out, or give it a value", name)
		}
		if _, _, err := data.GetOkErr(name); err != nil || schema.Type == framework.TypeString && !isText(value) {
			return fmt.Errorf("field %q must be %s", name, typeNames[schema.Type])
		}
	}
	return nil
}

var typeNames = map[framework.FieldType]string{
	framework.TypeString:         "a text",
	framework.TypeBool:           "true or false",
	framework.TypeDurationSecond: "a duration like 90s, 30m or 2h, not negative",
}

// isText leaves out booleans and the like, which the framework would turn into a text that nobody has typed. Numbers
// pass: a partner ID is one, and arrives as one when it is sent without quotes.
func isText(value any) bool {
	switch value.(type) {
	case string, json.Number:
		return true
	default:
		return false
	}
}

func fieldNames(path *framework.Path) string {
	if len(path.Fields) == 0 {
		return "no fields"
	}
	return strings.Join(slices.Sorted(maps.Keys(path.Fields)), ", ")
}

// seconds is a duration field's value, and whether the request has one.
func seconds(d *framework.FieldData, name string) (time.Duration, bool) {
	value, given := d.GetOk(name)
	if !given {
		return 0, false
	}
	return time.Duration(value.(int)) * time.Second, true //nolint:forcetypeassert // TypeDurationSecond gives an int.
}

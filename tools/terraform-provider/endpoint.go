// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hashicorp/go-cty/cty"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// endpoint is vault_generic_endpoint, vault/resource_generic_endpoint.go: PUT of
// data_json to path, then GET. The result replaces data_json in the state, and
// Terraform compares it with the configuration, as text with sorted names.
func endpoint() *schema.Resource {
	dataJSON := text(false)
	dataJSON.Sensitive = true
	dataJSON.ConflictsWith = []string{"data_json_wo"}
	dataJSON.StateFunc = func(value any) string {
		given, _ := value.(string)
		var data map[string]any
		if err := json.Unmarshal([]byte(given), &data); err != nil {
			return given
		}
		return encode(data)
	}
	writeOnly := text(false)
	writeOnly.WriteOnly = true
	writeOnly.ConflictsWith = []string{"data_json"}
	return &schema.Resource{
		CreateContext: endpointWrite,
		UpdateContext: endpointWrite,
		ReadContext:   endpointRead,
		DeleteContext: endpointDelete,
		Schema: map[string]*schema.Schema{
			"path":      fixed(true),
			"data_json": dataJSON,
			// Since 5.12.0. The provider gets it, but neither the plan nor the state.
			"data_json_wo": writeOnly,
			"data_json_wo_version": {
				Type: schema.TypeInt, Optional: true, RequiredWith: []string{"data_json_wo"},
			},
			"disable_read":         flag(),
			"disable_delete":       flag(),
			"ignore_absent_fields": flag(),
		},
	}
}

func endpointWrite(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	given := get(d, "data_json")
	if given == "" {
		// A write-only value is sent when its version changes. A change of any other
		// value without a new version is an error.
		value, problems := d.GetRawConfigAt(cty.GetAttrPath("data_json_wo"))
		if problems.HasError() || value.IsNull() || !d.IsNewResource() && !d.HasChange("data_json_wo_version") {
			return diag.Errorf("either data_json or data_json_wo must be set")
		}
		given = value.AsString()
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(given), &data); err != nil {
		return diag.Errorf("data_json is not a JSON object")
	}
	if _, err := clientOf(meta).Logical().WriteWithContext(ctx, get(d, "path"), data); err != nil {
		return diag.Errorf("error writing to Vault: %s", err)
	}
	d.SetId(get(d, "path"))
	return endpointRead(ctx, d, meta)
}

func endpointRead(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	if has(d, "disable_read") {
		return nil
	}
	answer, err := clientOf(meta).Logical().ReadWithContext(ctx, d.Id())
	if err != nil {
		return diag.Errorf("error reading %s from Vault: %s", d.Id(), err)
	}
	if answer == nil {
		d.SetId("") // It no longer exists, so Terraform plans to create it again.
		return nil
	}
	given := get(d, "data_json")
	if given == "" {
		return nil // Write-only values cannot be compared.
	}
	found := answer.Data
	if has(d, "ignore_absent_fields") {
		// A field that was not written is left out. A field that is not returned counts
		// as unchanged.
		var written map[string]any
		if err := json.Unmarshal([]byte(given), &written); err != nil {
			return diag.FromErr(errors.New("data_json is not a JSON object"))
		}
		for name := range written {
			if value, ok := answer.Data[name]; ok {
				written[name] = value
			}
		}
		found = written
	}
	set(d, map[string]any{"data_json": encode(found)})
	return nil
}

func endpointDelete(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	if has(d, "disable_delete") {
		return nil
	}
	_, err := clientOf(meta).Logical().DeleteWithContext(ctx, d.Id())
	return diag.FromErr(err)
}

func encode(data map[string]any) string {
	encoded, err := json.Marshal(data)
	if err != nil {
		panic(err) // The value came from JSON.
	}
	return string(encoded)
}

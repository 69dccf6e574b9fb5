package avro

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hamba/avro/v2"

	"github.com/weirstreams/weir/codec/registry"
)

// schema is an Avro schema in the forms that are needed.
type schema struct {
	registered registry.Schema // as it was given
	whole      string          // with the schemas that it refers to in their places
	parsed     avro.Schema
	defaults   defaults
	// softened is set if parsed has other default values than defaults.
	softened bool
	check    *check
	// guarded is set if data of any size has to be checked before it is decoded.
	guarded bool
}

// parse reads a schema and those that it refers to.
func parse(text string, references []registry.Reference) (*schema, error) {
	s := &schema{registered: registry.Schema{Type: registry.Avro, Text: text, References: references}, whole: text}
	if len(references) > 0 {
		var err error
		if s.whole, err = inline(text, references); err != nil {
			return nil, err
		}
	}
	document, err := readJSON(s.whole)
	if err != nil {
		document = s.whole // the parser says what is wrong, or it is the name of a type
	}
	text, s.defaults = s.whole, defaults{}
	if s.softened = s.defaults.collect(document, ""); s.softened {
		plain, err := json.Marshal(document)
		if err != nil {
			return nil, err
		}
		text = string(plain)
	}
	// A cache of its own: in the library's global one, a schema would see the names of all others.
	if s.parsed, err = avro.ParseWithCache(text, "", &avro.SchemaCache{}); err != nil {
		// The library wants a default of a record to have all fields, also those with a default of their own.
		dropDefaults(document)
		plain, failed := json.Marshal(document)
		if failed != nil {
			return nil, err
		}
		parsed, failed := avro.ParseWithCache(string(plain), "", &avro.SchemaCache{})
		if failed != nil {
			return nil, err
		}
		s.parsed, s.softened = parsed, true
		if failed := s.defaults.check(parsed); failed != nil {
			return nil, failed
		}
	}
	if named, ok := s.parsed.(avro.NamedSchema); ok {
		s.registered.Name = named.FullName()
	}
	s.check, s.guarded = newCheck(s.parsed)
	return s, nil
}

// writersSchema parses a schema that comes from the registry.
func writersSchema(r registry.Schema) (*schema, error) {
	if r.Type != registry.Avro && r.Type != "" {
		return nil, fmt.Errorf("want a schema of type AVRO, the registry has one of type %s", r.Type)
	}
	s, err := parse(r.Text, r.References)
	if err != nil {
		return nil, fmt.Errorf("schema of the registry: %w", err)
	}
	return s, nil
}

// deref returns the type that a reference names.
func deref(s avro.Schema) avro.Schema {
	if r, ok := s.(*avro.RefSchema); ok {
		return r.Schema()
	}
	return s
}

// logicalOf returns the logical type of a schema, or nil.
func logicalOf(s avro.Schema) avro.LogicalSchema {
	// Without a type, the library returns a typed nil pointer in the interface.
	switch s := s.(type) {
	case *avro.PrimitiveSchema:
		return s.Logical()
	case *avro.FixedSchema:
		return s.Logical()
	}
	return nil
}

// inliner puts schemas in the place of the first mention of their names. Avro has no other way to use a type than to
// define it where it is first used.
type inliner struct {
	schemas map[string]any // by full name
	done    map[string]bool
}

func inline(text string, references []registry.Reference) (string, error) {
	in := &inliner{map[string]any{}, map[string]bool{}}
	if err := in.add(references); err != nil {
		return "", err
	}
	document, err := readJSON(text)
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(in.resolve(document, ""))
	return string(out), err
}

func (in *inliner) add(references []registry.Reference) error {
	for _, r := range references {
		if r.Schema == nil || in.schemas[r.Name] != nil {
			continue
		}
		document, err := readJSON(r.Schema.Text)
		if err != nil {
			return fmt.Errorf("reference %s: %w", r.Name, err)
		}
		// It must not take on the namespace of the place that it is put in.
		if object, ok := document.(map[string]any); ok && object["namespace"] == nil {
			object["namespace"] = ""
		}
		in.schemas[r.Name] = document
		if err := in.add(r.Schema.References); err != nil {
			return err
		}
	}
	return nil
}

// readJSON keeps the digits of numbers: defaults of type long have up to 19.
func readJSON(text string) (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// resolve returns a type with the names of other schemas replaced.
func (in *inliner) resolve(v any, namespace string) any {
	switch v := v.(type) {
	case string:
		name := fullName(v, namespace)
		if in.schemas[name] == nil {
			name = v
		}
		if s := in.schemas[name]; s != nil && !in.done[name] {
			in.done[name] = true
			return in.resolve(s, "")
		}
		return v
	case []any:
		for i := range v {
			v[i] = in.resolve(v[i], namespace)
		}
	case map[string]any:
		if ns, ok := v["namespace"].(string); ok {
			namespace = ns
		}
		if name, ok := v["name"].(string); ok {
			if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
				namespace = name[:dot]
			}
			in.done[fullName(name, namespace)] = true
		}
		for _, key := range []string{"type", "items", "values"} {
			if v[key] != nil {
				v[key] = in.resolve(v[key], namespace)
			}
		}
		fields, _ := v["fields"].([]any)
		for _, f := range fields {
			if field, ok := f.(map[string]any); ok {
				field["type"] = in.resolve(field["type"], namespace)
			}
		}
	}
	return v
}

func fullName(name, namespace string) string {
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}

// dropDefaults removes the default values of fields.
func dropDefaults(v any) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			dropDefaults(v[i])
		}
	case map[string]any:
		for _, key := range []string{"type", "items", "values"} {
			dropDefaults(v[key])
		}
		fields, _ := v["fields"].([]any)
		for _, f := range fields {
			if field, ok := f.(map[string]any); ok {
				delete(field, "default")
				dropDefaults(field["type"])
			}
		}
	}
}

// withoutLogical returns the text of a schema without its logical types and default values.
func withoutLogical(text string) (string, error) {
	document, err := readJSON(text)
	if err != nil {
		return "", err
	}
	out, err := json.Marshal(dropLogical(document))
	return string(out), err
}

func dropLogical(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = dropLogical(v[i])
		}
	case map[string]any:
		for _, key := range []string{"logicalType", "precision", "scale"} {
			delete(v, key)
		}
		for _, key := range []string{"type", "items", "values"} {
			if v[key] != nil {
				v[key] = dropLogical(v[key])
			}
		}
		fields, _ := v["fields"].([]any)
		for _, f := range fields {
			if field, ok := f.(map[string]any); ok {
				delete(field, "default")
			}
			dropLogical(f)
		}
	}
	return v
}

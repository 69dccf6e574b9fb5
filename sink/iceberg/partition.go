package iceberg

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	client "github.com/apache/iceberg-go"
)

// transformOf is the form of a transform in Options.PartitionBy.
var transformOf = regexp.MustCompile(`^([a-z]+)\((?:\s*([0-9]+)\s*,)?\s*(.+?)\s*\)$`)

var (
	timeTransforms  = []string{"year", "month", "day", "hour"}
	widthTransforms = []string{"bucket", "truncate"}
)

// partitions makes the spec of a table with columns.
func partitions(by []string, schema *client.Schema) (client.PartitionSpec, error) {
	var options []client.PartitionOption
	for _, text := range by {
		column, transform, suffix := text, "identity", ""
		if m := transformOf.FindStringSubmatch(text); m != nil {
			name, width := m[1], m[2]
			column, suffix = m[3], "_"+name
			switch {
			case slices.Contains(timeTransforms, name) && width == "":
				transform = name
			case slices.Contains(widthTransforms, name) && width != "":
				transform = fmt.Sprintf("%s[%s]", name, width)
			default:
				return client.PartitionSpec{}, fmt.Errorf("%q is no transform: there are %s(column), %s(16, column), and a column alone", text,
					strings.Join(timeTransforms, "(column), "), strings.Join(widthTransforms, "(16, column), "))
			}
		}
		field, ok := schema.FindFieldByName(column)
		if !ok {
			return client.PartitionSpec{}, fmt.Errorf("%q: give the type of column %q in Types", text, column)
		}
		t, err := client.ParseTransform(transform)
		if err != nil {
			return client.PartitionSpec{}, fmt.Errorf("%q: %w", text, err)
		}
		if !t.CanTransform(field.Type) {
			return client.PartitionSpec{}, fmt.Errorf("%q: column %q is a %s, which has no such transform", text, column, field.Type)
		}
		options = append(options, client.AddPartitionFieldByName(column, column+suffix, t, schema, nil))
	}
	return client.NewPartitionSpecOpts(options...)
}

// describe writes a spec as Options.PartitionBy does.
func describe(spec client.PartitionSpec, schema *client.Schema) []string {
	var by []string
	for _, f := range spec.Fields() {
		var columns []string
		for _, id := range f.SourceIDs {
			name, ok := schema.FindColumnName(id)
			if !ok {
				name = fmt.Sprint("column ", id)
			}
			columns = append(columns, name)
		}
		column, transform := strings.Join(columns, ", "), f.Transform.String()
		name, width, hasWidth := strings.Cut(strings.TrimSuffix(transform, "]"), "[")
		switch {
		case transform == "void":
		case transform == "identity":
			by = append(by, column)
		case hasWidth:
			by = append(by, fmt.Sprintf("%s(%s, %s)", name, width, column))
		default:
			by = append(by, fmt.Sprintf("%s(%s)", transform, column))
		}
	}
	return by
}

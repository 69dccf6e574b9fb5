package iceberg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	client "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
)

// NoColumn leaves a column of the metadata out.
const NoColumn = "-"

const (
	defaultKeyColumn  = "_key"
	defaultTimeColumn = "_timestamp"
	defaultHoldBytes  = 64 << 20
	defaultTimeout    = time.Minute
	defaultOutageWait = 5 * time.Second
)

// Options configure a sink of records with keys of type K and values of type V. Catalog and Table are needed.
type Options[K, V any] struct {
	// Catalog opens the catalog of the table: [REST].Open, or a function that opens another catalog of iceberg-go, such as that of Glue. Connect calls it once.
	Catalog func(ctx context.Context) (catalog.Catalog, error)
	// Table is the name of the table with its namespace: "shop.orders". The namespace has to exist.
	Table string
	// Row makes the columns of a record. nil takes the value: a row.Row as it is, structs and maps by their JSON names, and any other value as
	// one column "value". A nil row is an error of the record. It runs on the task's goroutine.
	Row func(r *weir.Record[K, V]) (row.Row, error)
	// KeyColumn has the key of the record as text, and TimeColumn its time. Empty means "_key" and "_timestamp", and NoColumn means that there is no
	// such column. A row that has the column itself keeps its value.
	KeyColumn, TimeColumn string
	// Types are the types of columns, as Iceberg writes them ("decimal(12,2)", "timestamptz", "date"). A table that the sink makes has these columns from the
	// beginning, in the order of their names. The page of the connector has the types of the others.
	Types map[string]string
	// PartitionBy divides a table that the sink makes: a column ("country") or a transform of one ("day(_timestamp)", "bucket(16, _key)", "truncate(4, zip)",
	// and year, month and hour). Each column is KeyColumn, TimeColumn or one of Types. A table that exists must be divided in this way, unless PartitionBy is empty.
	PartitionBy []string
	// Properties are those of a table that the sink makes.
	Properties map[string]string
	// FixedTable says that the sink makes neither the table nor columns. A record with a column that the table lacks is refused.
	FixedTable bool

	// FileBytes is the size at which a data file is complete and another one begins. 0 means the property write.target-file-size-bytes of the table, which
	// is 512 MiB by default. A checkpoint of a task is at least one file for each partition of the table that it has rows for.
	FileBytes int64
	// HoldBytes is how much a task holds in memory before it asks for a checkpoint. 0 means 64 MiB.
	HoldBytes int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration
	// Timeout bounds each attempt to write the data files of a checkpoint, to commit them, or to change the table. 0 means one minute.
	Timeout time.Duration
	// Retry is for attempts that fail because the catalog or the store is away or busy. When they are used up, the application holds its input back for OutageWait
	// and goes on trying. If is not used. An attempt that meets the change of another writer begins anew with the changed table, up to 30 times.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}

// settings are checked options.
type settings struct {
	identifier table.Identifier
	// declared are the columns of Types, and spec is that of PartitionBy for a table with exactly the columns of schema.
	declared map[string]client.NestedField
	schema   *client.Schema
	spec     client.PartitionSpec
}

// check fills in the defaults and returns everything that is wrong.
func (o *Options[K, V]) check() (s settings, err error) {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if err := connector.Negative(o); err != nil {
		bad("%w", err)
	}
	o.KeyColumn, o.TimeColumn = cmp.Or(o.KeyColumn, defaultKeyColumn), cmp.Or(o.TimeColumn, defaultTimeColumn)
	o.HoldBytes, o.Timeout, o.OutageWait = cmp.Or(o.HoldBytes, defaultHoldBytes), cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.OutageWait, defaultOutageWait)
	o.Types, o.Properties, o.PartitionBy = maps.Clone(o.Types), maps.Clone(o.Properties), slices.Clone(o.PartitionBy)
	if o.Catalog == nil {
		bad("Catalog is nil")
	}
	s.identifier = strings.Split(o.Table, ".")
	if len(s.identifier) < 2 || slices.Contains(s.identifier, "") {
		bad("Table is %q, and has to be a namespace and a name: shop.orders", o.Table)
	}
	if o.KeyColumn == o.TimeColumn && o.KeyColumn != NoColumn {
		bad("KeyColumn and TimeColumn are both %q", o.KeyColumn)
	}
	s.declared = map[string]client.NestedField{}
	var fields []client.NestedField
	declare := func(name, typeName string) {
		if err := checkColumn(name); err != nil {
			bad("%w", err)
			return
		}
		t, err := parseType(typeName)
		if err != nil {
			bad("Types: column %q: %w", name, err)
			return
		}
		f := client.NestedField{ID: len(fields) + 1, Name: name, Type: t}
		s.declared[name] = f
		fields = append(fields, f)
	}
	for _, metadata := range []struct{ column, typeName string }{{o.TimeColumn, "timestamptz"}, {o.KeyColumn, "string"}} {
		if metadata.column != NoColumn {
			declare(metadata.column, cmp.Or(o.Types[metadata.column], metadata.typeName))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Types)) {
		if name != o.KeyColumn && name != o.TimeColumn {
			declare(name, o.Types[name])
		}
	}
	for column, check := range map[string]func(client.Type) error{o.KeyColumn: isText, o.TimeColumn: isTime} {
		if f, ok := s.declared[column]; ok {
			if err := check(f.Type); err != nil {
				bad("Types: column %q: %w", column, err)
			}
		}
	}
	s.schema = client.NewSchema(0, fields...)
	if s.spec, err = partitions(o.PartitionBy, s.schema); err != nil {
		bad("PartitionBy: %w", err)
	}
	return s, errors.Join(wrong...)
}

func isText(t client.Type) error {
	if _, ok := t.(client.StringType); !ok {
		return fmt.Errorf("its type is %s, and has to be string for the key of records", t)
	}
	return nil
}

func isTime(t client.Type) error {
	switch t.(type) {
	case client.TimestampType, client.TimestampTzType, client.TimestampNsType, client.TimestampTzNsType:
		return nil
	}
	return fmt.Errorf("its type is %s, and has to be timestamptz or another timestamp for the time of records", t)
}

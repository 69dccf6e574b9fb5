package file

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/filesink"
)

// Hive returns a folder as Hive, Spark, DuckDB and others read columns from: column=value. Characters that could be taken for a path or
// for another column are written as %XX, and the empty value is __HIVE_DEFAULT_PARTITION__, which stands for null.
func Hive(column, value string) string { return filesink.Pair(column, value) }

// ByKey puts the records of each key into a folder of their own: column=key.
func ByKey[K, V any](column string) func(*weir.Record[K, V]) ([]string, error) {
	text := connector.KeyText[K]()
	return func(r *weir.Record[K, V]) ([]string, error) {
		if r.KeyNull {
			return []string{Hive(column, "")}, nil
		}
		key, null, err := text(r.Key)
		if null {
			key = ""
		}
		if err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		return []string{Hive(column, key)}, nil
	}
}

// ByTime puts records into folders by their time, in UTC, in a layout of package time: ByTime[K, V]("date", time.DateOnly) makes
// date=2026-11-29.
func ByTime[K, V any](column, layout string) func(*weir.Record[K, V]) ([]string, error) {
	return func(r *weir.Record[K, V]) ([]string, error) {
		return []string{Hive(column, r.Time().UTC().Format(layout))}, nil
	}
}

// ByColumns puts records into nested folders by columns of their rows: fields of structs by their JSON names, columns of a row.Row. A record
// without a column is in the folder for null.
func ByColumns[K, V any](columns ...string) func(*weir.Record[K, V]) ([]string, error) {
	convert := connector.ToRow[V]()
	return func(r *weir.Record[K, V]) ([]string, error) {
		fields, err := convert(r.Value)
		if err != nil {
			return nil, err
		}
		folders := make([]string, len(columns))
		for i, column := range columns {
			text := ""
			if v, _ := fields.Lookup(column); !v.IsNull() {
				if text, err = connector.ValueText(v); err != nil {
					return nil, fmt.Errorf("column %q: %w", column, err)
				}
			}
			folders[i] = Hive(column, text)
		}
		return folders, nil
	}
}

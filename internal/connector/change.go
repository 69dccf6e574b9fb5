package connector

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
)

// ChangeRecords returns a function that makes the records of a change of a row in a table: the key of the row and the row, and a null value for the key of a
// row that is gone. before is nil where it is not known or does not matter, and after is nil for a row that is gone. Keys of one column are a K of their own;
// keys of several columns are a row or a struct.
func ChangeRecords[K, V any]() func(key, before, after row.Row, millis int64, emit func(weir.Record[K, V])) error {
	parse, toKey, toValue := ParseKey[K](), FromRow[K](), FromRow[V]()
	_, rows := any(*new(K)).(row.Row)
	keyOf := func(r row.Row) (k K, err error) {
		if rows || r.Len() != 1 {
			return toKey(r)
		}
		for _, v := range r.All() {
			if number, ok := any(&k).(*int64); ok && v.Kind() == row.KindInt {
				*number, err = row.As[int64](v)
				return k, err
			}
			text, err := ValueText(v)
			if err != nil {
				return k, err
			}
			return parse(text)
		}
		return k, nil
	}
	return func(key, before, after row.Row, millis int64, emit func(weir.Record[K, V])) error {
		r := weir.Record[K, V]{Millis: millis}
		if !before.IsNil() && !after.IsNil() {
			old, err := Project(before, key.Columns())
			if err != nil {
				return err
			}
			if !old.Equal(key) { // the row has another key now
				if r.Key, err = keyOf(old); err != nil {
					return fmt.Errorf("key %v: %w", old, err)
				}
				r.ValueNull = true
				emit(r)
			}
		}
		var err error
		if r.Key, err = keyOf(key); err != nil {
			return fmt.Errorf("key %v: %w", key, err)
		}
		if r.ValueNull = after.IsNil(); !r.ValueNull {
			if r.Value, err = toValue(after); err != nil {
				return fmt.Errorf("row of key %v: %w", key, err)
			}
		}
		emit(r)
		return nil
	}
}

// Project returns some columns of a row, those of a key.
func Project(r row.Row, columns []string) (row.Row, error) {
	fields := make([]row.Field, len(columns))
	for i, c := range columns {
		v, ok := r.Lookup(c)
		if !ok {
			return row.Row{}, fmt.Errorf("the log has no column %q of the key", c)
		}
		fields[i] = row.F(c, v)
	}
	return row.New(fields...), nil
}

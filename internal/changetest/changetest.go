// Package changetest compares the changes of rows that sources of tables read with the rows that were known before.
package changetest

import (
	"testing"
	"time"

	"github.com/weirstreams/weir/row"
)

// Change is a change of a row with the key "id". Op is the name of its kind: read, insert, update or delete.
type Change struct {
	Op, Table          string
	Key, Before, After row.Row
	Time               time.Time
}

// Rows are the rows that are known, by table and key.
type Rows map[string]row.Row

// Apply makes a change, and fails the test unless it follows from the rows and has a time of the last hour.
func (known Rows) Apply(tb testing.TB, c Change) {
	tb.Helper()
	key := c.Table + c.Key.String()
	now, has := known[key]
	switch c.Op {
	case "read", "insert":
		if has {
			tb.Errorf("%v of %s %v, which is known as %v", c.Op, key, c.After, now)
		}
		known[key] = c.After
	case "update":
		id, _ := c.Before.Lookup("id")
		before := c.Table + row.New(row.F("id", id)).String()
		if old := known[before]; !old.Equal(c.Before) {
			tb.Errorf("update of %s from %v, which is known as %v", before, c.Before, old)
		}
		delete(known, before)
		known[key] = c.After
	case "delete":
		if !has || !now.Equal(c.Before) {
			tb.Errorf("delete of %s %v, which is known as %v", key, c.Before, now)
		}
		delete(known, key)
	}
	if c.Time.IsZero() || time.Since(c.Time) > time.Hour {
		tb.Errorf("%v of %s has the time %v", c.Op, key, c.Time)
	}
}

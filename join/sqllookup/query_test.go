package sqllookup_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirstreams/weir/join/internal/lookuptest"
	"github.com/weirstreams/weir/join/sqllookup"
)

// L-12: a query is run for each record, with the parameters of it.
func TestAQueryIsRunForEachRecord(t *testing.T) {
	s := &server{answer: func(_ context.Context, _ string, args []driver.NamedValue) (*answer, error) {
		a := &answer{columns: []string{"name"}}
		for k := range args[0].Value.(int64) {
			a.rows = append(a.rows, []driver.Value{fmt.Sprint("name ", k)})
		}
		return a, nil
	}}
	db := s.database(t)
	named := func(n int) []any { return []any{sql.Named("n", n), "more"} }
	first := lookuptest.Must(sqllookup.Query[int, string](db, "SELECT 1", nil))
	if diff := cmp.Diff([]*string{new("name 0"), nil, new("name 0")}, lookuptest.Ask(t, first, 2, 0, 1)); diff != "" {
		t.Error(diff)
	}
	all := lookuptest.Must(sqllookup.QueryAll[int, string](db, "SELECT :n", named))
	if diff := cmp.Diff([]*[]string{{"name 0", "name 1"}, {}}, lookuptest.Ask(t, all, 2, 0)); diff != "" {
		t.Error(diff)
	}
	want := []question{
		{"SELECT 1", []any{int64(2)}},
		{"SELECT 1", []any{int64(0)}},
		{"SELECT 1", []any{int64(1)}},
		{"SELECT :n", []any{sql.Named("n", int64(2)), "more"}},
		{"SELECT :n", []any{sql.Named("n", int64(0)), "more"}},
	}
	if diff := cmp.Diff(want, s.questions(), cmpopts.IgnoreUnexported(sql.NamedArg{})); diff != "" {
		t.Error(diff)
	}
}

// The first row is enough: what comes behind it is not read, errors included.
func TestOnlyTheFirstRowIsRead(t *testing.T) {
	s := &server{answer: func(context.Context, string, []driver.NamedValue) (*answer, error) {
		return &answer{columns: []string{"name"}, rows: [][]driver.Value{{"a"}}, err: errors.New("broken")}, nil
	}}
	db := s.database(t)
	if diff := cmp.Diff([]*string{new("a")}, lookuptest.Ask(t, lookuptest.Must(sqllookup.Query[int, string](db, "SELECT", nil)), 1)); diff != "" {
		t.Error(diff)
	}
	_, err := lookuptest.Try(t.Context(), lookuptest.Must(sqllookup.QueryAll[int, string](db, "SELECT", nil)), 1)
	if err == nil || err.Error() != `look up by "SELECT": broken` {
		t.Errorf("got %v", err)
	}
}

// The columns of a query are those of its answer, whatever they were before.
func TestTheColumnsOfAQuery(t *testing.T) {
	columns := []string{"name", "age"}
	s := &server{answer: func(context.Context, string, []driver.NamedValue) (*answer, error) {
		a := one(columns)
		values := map[string]driver.Value{"name": "a", "age": int64(30), "id": int64(1)}
		for _, c := range columns {
			a.rows[0] = append(a.rows[0], values[c])
		}
		return a, nil
	}}
	lookup := lookuptest.Must(sqllookup.Query[int, person](s.database(t), "SELECT *", nil))
	ask := func(want person) {
		t.Helper()
		if diff := cmp.Diff([]*person{&want}, lookuptest.Ask(t, lookup, 1)); diff != "" {
			t.Error(diff)
		}
	}
	age := int64(30)
	ask(person{Name: "a", Age: &age})
	columns = []string{"age", "name"}
	ask(person{Name: "a", Age: &age})
	columns = []string{"age"}
	ask(person{Age: &age})
	columns = []string{"age", "id"}
	if _, err := lookuptest.Try(t.Context(), lookup, 1); err == nil || !strings.Contains(err.Error(), `sqllookup_test.person has no field for column "id"`) {
		t.Errorf("got %v", err)
	}
}

func TestQueriesThatCannotBe(t *testing.T) {
	type untagged struct{ Name string }
	db := (&server{}).database(t)
	_, first := sqllookup.Query[int, string](db, "", nil)
	_, all := sqllookup.QueryAll[int, string](db, "", nil)
	for _, err := range []error{first, all} {
		if err == nil || !strings.Contains(err.Error(), "the query is empty") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := sqllookup.Query[int, untagged](db, "SELECT 1", nil); err == nil || !strings.Contains(err.Error(), "has a tag like") {
		t.Errorf("got %v", err)
	}
}

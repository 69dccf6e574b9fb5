package sqllookup_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/join/internal/lookuptest"
	"github.com/weirstreams/weir/join/sqllookup"
	"github.com/weirstreams/weir/row"
)

type person struct {
	Name string `db:"name"`
	Age  *int64 `db:"age"`

	Note string // has no column
	Skip int    `db:"-"`
}

// L-10, L-21: what is asked for a table. Names are in quotes and say which table they are of; values are parameters.
func TestStatements(t *testing.T) {
	dollars := func(n int) string { return fmt.Sprint("$", n) }
	for name, test := range map[string]struct {
		table       sqllookup.Table
		placeholder func(int) string
		first, all  string // for two values
	}{
		"columns of the tags": {
			sqllookup.Table{Name: "t", On: "id"},
			nil,
			`SELECT * FROM (` +
				`SELECT * FROM (SELECT 0, t."name", t."age" FROM "t" AS t WHERE t."id" = ? LIMIT 1) AS r0 UNION ALL ` +
				`SELECT * FROM (SELECT 1, t."name", t."age" FROM "t" AS t WHERE t."id" = ? LIMIT 1) AS r1` +
				`) AS r ORDER BY 1`,
			`SELECT * FROM (` +
				`SELECT * FROM (SELECT 0, t."name", t."age" FROM "t" AS t WHERE t."id" = ?) AS r0 UNION ALL ` +
				`SELECT * FROM (SELECT 1, t."name", t."age" FROM "t" AS t WHERE t."id" = ?) AS r1` +
				`) AS r ORDER BY 1`,
		},
		"order": {
			sqllookup.Table{Name: "t", On: "id", Columns: []string{"age"}, OrderBy: "at"},
			dollars,
			`SELECT * FROM (` +
				`SELECT * FROM (SELECT 0, t."age", t."at" FROM "t" AS t WHERE t."id" = $1 ORDER BY t."at" LIMIT 1) AS r0 UNION ALL ` +
				`SELECT * FROM (SELECT 1, t."age", t."at" FROM "t" AS t WHERE t."id" = $2 ORDER BY t."at" LIMIT 1) AS r1` +
				`) AS r ORDER BY 1, 3`,
			`SELECT * FROM (` +
				`SELECT * FROM (SELECT 0, t."age", t."at" FROM "t" AS t WHERE t."id" = $1) AS r0 UNION ALL ` +
				`SELECT * FROM (SELECT 1, t."age", t."at" FROM "t" AS t WHERE t."id" = $2) AS r1` +
				`) AS r ORDER BY 1, 3`,
		},
		"schema, the other order, and quotes": {
			sqllookup.Table{Schema: `s"`, Name: `"t`, On: "a b", Columns: []string{"age", "name"}, OrderBy: `"; --`, Descending: true},
			nil,
			`SELECT * FROM (` +
				`SELECT * FROM (SELECT 0, t."age", t."name", t."""; --" FROM "s"""."""t" AS t WHERE t."a b" = ? ORDER BY t."""; --" DESC LIMIT 1) AS r0 UNION ALL ` +
				`SELECT * FROM (SELECT 1, t."age", t."name", t."""; --" FROM "s"""."""t" AS t WHERE t."a b" = ? ORDER BY t."""; --" DESC LIMIT 1) AS r1` +
				`) AS r ORDER BY 1, 4 DESC`,
			`SELECT * FROM (` +
				`SELECT * FROM (SELECT 0, t."age", t."name", t."""; --" FROM "s"""."""t" AS t WHERE t."a b" = ?) AS r0 UNION ALL ` +
				`SELECT * FROM (SELECT 1, t."age", t."name", t."""; --" FROM "s"""."""t" AS t WHERE t."a b" = ?) AS r1` +
				`) AS r ORDER BY 1, 4 DESC`,
		},
	} {
		s := &server{}
		db := s.database(t)
		db.Placeholder = test.placeholder
		lookuptest.Ask(t, lookuptest.Must(sqllookup.First[string, person](t.Context(), db, test.table)), "x", "' OR 1")
		lookuptest.Ask(t, lookuptest.Must(sqllookup.All[string, person](t.Context(), db, test.table)), "x", "' OR 1")
		want := []question{{test.first, []any{"x", "' OR 1"}}, {test.all, []any{"x", "' OR 1"}}}
		if diff := cmp.Diff(want, s.questions()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// L-10: tables that cannot be one are errors, before anything is asked.
func TestTablesThatCannotBe(t *testing.T) {
	s := &server{prepare: func(context.Context, string) error { return errors.New("should not be prepared") }}
	db := s.database(t)
	type untagged struct{ Name string }
	type private struct {
		_ string `db:"name"`
	}
	type twice struct {
		A string `db:"name"`
		B string `db:"name"`
	}
	people := func(table sqllookup.Table) error {
		_, first := sqllookup.First[int, person](t.Context(), db, table)
		_, all := sqllookup.All[int, person](t.Context(), db, table)
		if fmt.Sprint(first) != fmt.Sprint(all) {
			t.Errorf("First says %v, All %v", first, all)
		}
		return first
	}
	rows := func(columns ...string) error {
		_, err := sqllookup.First[int, row.Row](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: columns})
		return err
	}
	texts := func(columns ...string) error {
		_, err := sqllookup.First[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: columns})
		return err
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{people(sqllookup.Table{On: "id"}), `table "": Name is empty`},
		{people(sqllookup.Table{Name: "t"}), `table "t": On is empty`},
		{people(sqllookup.Table{Name: "*", On: "id"}), `table "*": Name is "*", which is no name`},
		{people(sqllookup.Table{Name: "t", On: "i\x00d"}), `On is "i\x00d", which is no name`},
		{people(sqllookup.Table{Name: "t", On: "id", OrderBy: "*"}), `OrderBy is "*"`},
		{people(sqllookup.Table{Schema: "\x00", Name: "t", On: "id"}), `Schema is "\x00"`},
		{people(sqllookup.Table{Name: "t", On: "id", Columns: []string{"name", "id"}}), `sqllookup_test.person has no field for column "id"`},
		{rows(), `table "t": it has no Columns`},
		{rows("a", "*"), `a column is "*"`},
		{rows("a", ""), `a column is empty`},
		{texts("a", "b"), "there are 2 columns, and string has room for one"},
		{func() error {
			_, err := sqllookup.First[int, untagged](t.Context(), db, sqllookup.Table{Name: "t", On: "id"})
			return err
		}(), `no field of sqllookup_test.untagged has a tag like db:"column"`},
		{func() error {
			_, err := sqllookup.First[int, private](t.Context(), db, sqllookup.Table{Name: "t", On: "id"})
			return err
		}(), `field _ of sqllookup_test.private is not exported`},
		{func() error {
			_, err := sqllookup.First[int, twice](t.Context(), db, sqllookup.Table{Name: "t", On: "id"})
			return err
		}(), `fields A and B of sqllookup_test.twice are both for column "name"`},
	} {
		if test.err == nil || !strings.Contains(test.err.Error(), test.want) {
			t.Errorf("got %v, want %q", test.err, test.want)
		}
	}
}

// What is wrong with a table is said once, by the statement for one value; not for each record.
func TestATableIsCheckedAtOnce(t *testing.T) {
	s := &server{prepare: func(_ context.Context, statement string) error {
		if strings.Contains(statement, `t."nam"`) {
			return errors.New("no such column: nam")
		}
		return nil
	}}
	db := s.database(t)
	for _, keep := range []bool{false, true} {
		db.Prepare = keep
		_, err := sqllookup.First[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: []string{"nam"}})
		if err == nil || !strings.Contains(err.Error(), `table "t": no such column: nam`) {
			t.Errorf("got %v", err)
		}
		lookuptest.Must(sqllookup.First[int, string](t.Context(), db, sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}}))
	}
	if asked := s.questions(); len(asked) > 0 {
		t.Errorf("asked %v", asked)
	}
}

// table answers with the rows that numbers have by their remainder: 0 has none, 1 one, 2 two.
func table(_ context.Context, statement string, args []driver.NamedValue) (*answer, error) {
	a := &answer{columns: []string{"0", "name"}}
	for i, arg := range args {
		n := arg.Value.(int64)
		for k := range n % 3 {
			a.rows = append(a.rows, []driver.Value{int64(i), fmt.Sprint(n, "/", k)})
		}
	}
	return a, nil
}

// However many are asked at once, by 100 at a time, each gets its own rows.
func TestManyValues(t *testing.T) {
	s := &server{answer: table}
	db := s.database(t)
	named := sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}}
	first := lookuptest.Must(sqllookup.First[int64, string](t.Context(), db, named))
	all := lookuptest.Must(sqllookup.All[int64, string](t.Context(), db, named))
	for _, n := range []int64{0, 1, 2, 99, 100, 101, 250} {
		var queries []int64
		wantFirst, wantAll := []*string{}, []*[]string{}
		for i := range n {
			q := i * 7
			queries = append(queries, q)
			rows := []string{}
			for k := range q % 3 {
				rows = append(rows, fmt.Sprint(q, "/", k))
			}
			wantAll = append(wantAll, &rows)
			if len(rows) > 0 {
				wantFirst = append(wantFirst, &rows[0])
			} else {
				wantFirst = append(wantFirst, nil)
			}
		}
		s.questions()
		if diff := cmp.Diff(wantFirst, lookuptest.Ask(t, first, queries...)); diff != "" {
			t.Errorf("first of %d: %s", n, diff)
		}
		var sizes []int
		for _, q := range s.questions() {
			sizes = append(sizes, len(q.Args))
		}
		var want []int
		for left := int(n); left > 0; left -= 100 {
			want = append(want, min(left, 100))
		}
		if diff := cmp.Diff(want, sizes); diff != "" {
			t.Errorf("%d: %s", n, diff)
		}
		if diff := cmp.Diff(wantAll, lookuptest.Ask(t, all, queries...)); diff != "" {
			t.Errorf("all of %d: %s", n, diff)
		}
	}
}

// Whoever describes a table may use the description for something else.
func TestATableIsCopied(t *testing.T) {
	s := &server{answer: func(context.Context, string, []driver.NamedValue) (*answer, error) {
		return one([]string{"0", "a", "b"}, int64(0), int64(1), int64(2)), nil
	}}
	columns := []string{"a", "b"}
	lookup := lookuptest.Must(sqllookup.First[int, row.Row](t.Context(), s.database(t), sqllookup.Table{Name: "t", On: "id", Columns: columns}))
	slices.Reverse(columns)
	if got := fmt.Sprint(*lookuptest.Ask(t, lookup, 1)[0]); got != `{"a":1,"b":2}` {
		t.Errorf("got %s", got)
	}
}

// L-15: a value that is no parameter is an error of the record.
func TestValuesThatAreNoParameters(t *testing.T) {
	type pair struct{ a, b int }
	lookup := lookuptest.Must(sqllookup.First[pair, string](t.Context(), (&server{}).database(t), sqllookup.Table{Name: "t", On: "id", Columns: []string{"name"}}))
	_, err := lookuptest.Try(t.Context(), lookup, pair{1, 2})
	if err == nil || lookuptest.Unavailable(err) || !strings.Contains(err.Error(), "unsupported type sqllookup_test.pair") {
		t.Errorf("got %v", err)
	}
}

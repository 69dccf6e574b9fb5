package sqllookup_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/join/internal/lookuptest"
	"github.com/weirstreams/weir/join/sqllookup"
	"github.com/weirstreams/weir/row"
)

// level is a type of one's own, celsius one that reads itself.
type (
	level   int8
	celsius struct{ degrees float64 }
)

func (c *celsius) Scan(value any) error {
	f, ok := value.(float64)
	if !ok {
		return fmt.Errorf("%T is no temperature", value)
	}
	c.degrees = f
	return nil
}

// everything has a field of each kind.
type everything struct {
	Bool    bool             `db:"bool"`
	Int     int              `db:"int"`
	Int8    int8             `db:"int8"`
	Uint16  uint16           `db:"uint16"`
	Float32 float32          `db:"float32"`
	Float64 float64          `db:"float64"`
	String  string           `db:"string"`
	Bytes   []byte           `db:"bytes"`
	Time    time.Time        `db:"time"`
	Level   level            `db:"level"`
	Celsius celsius          `db:"celsius"`
	Any     any              `db:"any"`
	Pointer *int64           `db:"pointer"`
	When    *time.Time       `db:"when"`
	Null    sql.NullString   `db:"null"`
	Generic sql.Null[uint64] `db:"generic"`
}

// answers looks up the one row that a server answers, by a table and by a query.
func answers[R any](t *testing.T, columns []string, values ...driver.Value) (found []*R, errs []error) {
	t.Helper()
	tables := &server{answer: func(context.Context, string, []driver.NamedValue) (*answer, error) {
		return one(append([]string{"0"}, append(columns, "at")...), append([]driver.Value{int64(0)}, append(values, "ordered")...)...), nil
	}}
	queries := &server{answer: func(context.Context, string, []driver.NamedValue) (*answer, error) {
		return one(columns, values...), nil
	}}
	for _, lookup := range []join.Lookup[int, R]{
		lookuptest.Must(sqllookup.First[int, R](t.Context(), tables.database(t), sqllookup.Table{Name: "t", On: "id", Columns: columns, OrderBy: "at"})),
		lookuptest.Must(sqllookup.Query[int, R](queries.database(t), "SELECT", nil)),
	} {
		rows, err := lookuptest.Try(t.Context(), lookup, 1)
		found, errs = append(found, rows[0]), append(errs, err)
	}
	return found, errs
}

func TestEveryKindOfField(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for column, test := range map[string]struct {
		value driver.Value
		want  everything
	}{
		"bool":    {true, everything{Bool: true}},
		"int":     {int64(-1 << 40), everything{Int: -1 << 40}},
		"int8":    {"-128", everything{Int8: -128}}, // a text that is a number
		"uint16":  {int64(65535), everything{Uint16: 65535}},
		"float32": {0.5, everything{Float32: 0.5}},
		"float64": {math.Inf(1), everything{Float64: math.Inf(1)}},
		"string":  {[]byte("text"), everything{String: "text"}},
		"bytes":   {[]byte{0, 255}, everything{Bytes: []byte{0, 255}}},
		"time":    {at, everything{Time: at}},
		"level":   {int64(3), everything{Level: 3}},
		"celsius": {21.5, everything{Celsius: celsius{21.5}}},
		"any":     {int64(7), everything{Any: int64(7)}},
		"pointer": {int64(8), everything{Pointer: new(int64(8))}},
		"when":    {at, everything{When: &at}},
		"null":    {"text", everything{Null: sql.NullString{String: "text", Valid: true}}},
		"generic": {int64(9), everything{Generic: sql.Null[uint64]{V: 9, Valid: true}}},
	} {
		found, errs := answers[everything](t, []string{column}, test.value)
		if diff := cmp.Diff([]*everything{&test.want, &test.want}, found, cmp.AllowUnexported(celsius{})); diff != "" || errors.Join(errs...) != nil {
			t.Errorf("%s: %v %s", column, errs, diff)
		}
	}
}

// NULL is nil where there is one, and an error that names column and field where not.
func TestNulls(t *testing.T) {
	nullable := []string{"bytes", "any", "pointer", "when", "null", "generic"}
	found, errs := answers[everything](t, nullable, nil, nil, nil, nil, nil, nil)
	if diff := cmp.Diff([]*everything{{}, {}}, found, cmp.AllowUnexported(celsius{})); diff != "" || errors.Join(errs...) != nil {
		t.Error(errs, diff)
	}
	for column, field := range map[string]string{
		"bool": "Bool", "int": "Int", "int8": "Int8", "uint16": "Uint16", "float32": "Float32", "float64": "Float64", "string": "String",
		"time": "Time", "level": "Level", "celsius": "Celsius",
	} {
		wrong(t, []string{column}, []driver.Value{nil}, column, field)
	}
}

// wrong makes sure that the row is an error of the record, which names column and field.
func wrong(t *testing.T, columns []string, values []driver.Value, column, field string) {
	t.Helper()
	_, errs := answers[everything](t, columns, values...)
	for _, err := range errs {
		if err == nil || lookuptest.Unavailable(err) || !strings.Contains(err.Error(), fmt.Sprintf("name %q", column)) ||
			!strings.Contains(err.Error(), "field "+field+" of sqllookup_test.everything") {
			t.Errorf("%s: got %v", column, err)
		}
	}
}

// What does not fit is an error that names column and field, whatever else there is.
func TestValuesThatDoNotFit(t *testing.T) {
	columns := []string{"string", "int8", "time", "float64", "celsius"}
	for _, test := range []struct {
		i             int
		value         driver.Value
		column, field string
	}{
		{1, int64(128), "int8", "Int8"},
		{1, "many", "int8", "Int8"},
		{1, 1.5, "int8", "Int8"},
		{2, "yesterday", "time", "Time"},
		{3, "half", "float64", "Float64"},
		{4, "warm", "celsius", "Celsius"},
	} {
		values := []driver.Value{"text", int64(1), time.Unix(0, 0), 0.5, 21.5}
		values[test.i] = test.value
		wrong(t, columns, values, test.column, test.field)
	}
}

// One column needs no struct.
func TestSingleValues(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	single(t, "text", "text")
	single(t, int64(7), level(7))
	single(t, int64(7), any(int64(7)))
	single(t, at, at)
	single(t, 21.5, celsius{21.5})
	single(t, nil, (*string)(nil))
	single(t, nil, sql.NullInt64{})
	single(t, []byte{1}, []byte{1})
	_, errs := answers[string](t, []string{"name"}, nil)
	for _, err := range errs {
		if err == nil || !strings.Contains(err.Error(), `name "name": converting NULL to string is unsupported`) {
			t.Errorf("got %v", err)
		}
	}
}

func single[R any](t *testing.T, value driver.Value, want R) {
	t.Helper()
	found, errs := answers[R](t, []string{"name"}, value)
	if diff := cmp.Diff([]*R{&want, &want}, found, cmp.AllowUnexported(celsius{})); diff != "" || errors.Join(errs...) != nil {
		t.Errorf("%T: %v %s", want, errs, diff)
	}
}

// A row takes columns as they are, in order.
func TestRowsOfNoType(t *testing.T) {
	columns := []string{"null", "bool", "int", "float", "text", "bytes", "time"}
	found, errs := answers[row.Row](t, columns,
		nil, true, int64(-1), 0.5, "té", []byte("by"), time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600)))
	for i, r := range found {
		want := `{"null":null,"bool":true,"int":-1,"float":0.5,"text":"té","bytes":"by","time":"2026-01-02T03:04:05.0000006+01:00"}`
		if errs[i] != nil || fmt.Sprint(*r) != want {
			t.Errorf("got %v, %v", r, errs[i])
		}
	}
	for _, test := range []struct {
		value driver.Value
		want  string
	}{
		{[]byte{0xff}, `column "b" is no text`},
		{uint8(1), `column "b" is a uint8, which a row has no place for`},
	} {
		_, errs := answers[row.Row](t, []string{"a", "b"}, "text", test.value)
		for _, err := range errs {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		}
	}
}

// Rows of one call do not share what they hold.
func TestRowsAreApart(t *testing.T) {
	buffer := []byte("a") // drivers use memory again
	s := &server{answer: func(context.Context, string, []driver.NamedValue) (*answer, error) {
		return &answer{columns: []string{"bytes", "pointer"}, rows: [][]driver.Value{{buffer, int64(1)}, {buffer, int64(2)}}}, nil
	}}
	rows := *lookuptest.Ask(t, lookuptest.Must(sqllookup.QueryAll[int, everything](s.database(t), "SELECT", nil)), 1)[0]
	buffer[0] = 'x'
	rows[0].Bytes[0]++
	*rows[0].Pointer++
	if string(rows[1].Bytes) != "a" || *rows[1].Pointer != 2 {
		t.Errorf("got %q and %d", rows[1].Bytes, *rows[1].Pointer)
	}
}

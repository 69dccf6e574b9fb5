package row_test

import (
	"testing"

	"github.com/weirstreams/weir/row"
)

func TestChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change   row.Change
		in, want string
		err      string
	}{
		"select, in the order given":   {row.Select("c", "a"), `{"a":1,"b":2,"c":null}`, `{"c":null,"a":1}`, ""},
		"select nothing":               {row.Select(), `{"a":1}`, `{}`, ""},
		"D-30 select a missing column": {row.Select("a", "b"), `{"a":1,"c":2}`, "", `column "b" is missing; the row has a, c`},

		"assign a new column":         {row.Assign("b", col("a").Add(1)), `{"a":1}`, `{"a":1,"b":2}`, ""},
		"assign in place":             {row.Assign("a", "x"), `{"a":1,"b":2}`, `{"a":"x","b":2}`, ""},
		"D-31 assign a constant":      {row.Assign("c", 0.5), `{}`, `{"c":0.5}`, ""},
		"assign null":                 {row.Assign("c", row.Null()), `{}`, `{"c":null}`, ""},
		"assign a condition":          {row.Assign("hot", col("t").Gt(30)), `{"t":31}`, `{"t":31,"hot":true}`, ""},
		"assign from what is missing": {row.Assign("b", col("x").Add(1)), `{"a":1}`, "", `assign "b": column "x" is missing; the row has a`},
		"assign to nothing":           {row.Assign("b", 1), `null`, "", `column "b" is missing: the value is null, not a row`},

		// EX-7 and D-21. A row that is not changed whole is not changed at all.
		"EX-7 drop":                    {row.Drop("a", "b"), `{"a":1,"c":2}`, "", `column "b" is missing; the row has a, c`},
		"EX-7 drop, ignore":            {row.DropExisting("a", "b"), `{"a":1,"c":2}`, `{"c":2}`, ""},
		"drop":                         {row.Drop("c", "a"), `{"a":1,"b":2,"c":3}`, `{"b":2}`, ""},
		"D-21 drop nothing":            {row.Drop(), `{"a":1}`, `{"a":1}`, ""},
		"drop all":                     {row.Drop("a"), `{"a":1}`, `{}`, ""},
		"drop existing of a nil row":   {row.DropExisting("a"), `null`, `null`, ""},
		"drop a column of a nil row":   {row.Drop("a"), `null`, "", `column "a" is missing: the value is null, not a row`},
		"EX-6 fill":                    {row.Fill(row.F("x", row.Null()), row.F("y", 0), row.F("z", "n/a")), `{"y":null,"q":1}`, `{"y":0,"q":1,"x":null,"z":"n/a"}`, ""},
		"EX-6 fill, the later counts":  {row.Fill(row.F("x", row.Null()), row.F("x", 1)), `{}`, `{"x":1}`, ""},
		"EX-6 fill keeps zero":         {row.Fill(row.F("y", 0)), `{"y":0.0}`, `{"y":0.0}`, ""},
		"EX-6 fill keeps empty text":   {row.Fill(row.F("y", 0)), `{"y":""}`, `{"y":""}`, ""},
		"D-20 fill leaves nil alone":   {row.Fill(row.F("y", 0)), `null`, `null`, ""},
		"rename, in its place":         {row.Rename("a", "z"), `{"a":1,"b":2}`, `{"z":1,"b":2}`, ""},
		"rename over another":          {row.Rename("a", "b"), `{"b":2,"a":1,"c":3}`, `{"a":0}`, "-"},
		"rename to itself":             {row.Rename("a", "a"), `{"a":1,"b":2}`, `{"a":1,"b":2}`, ""},
		"rename what is missing":       {row.Rename("x", "y"), `{"a":1}`, "", `column "x" is missing; the row has a`},
		"steps":                        {row.Steps(row.Fill(row.F("b", 2)), row.Assign("c", col("a").Mul(col("b"))), row.Select("c")), `{"a":3}`, `{"c":6}`, ""},
		"no steps":                     {row.Steps(), `{"a":3}`, `{"a":3}`, ""},
		"steps end at the first error": {row.Steps(row.Drop("x"), row.Fill(row.F("x", 1))), `{"a":3}`, "", `column "x" is missing; the row has a`},
	} {
		t.Run(name, func(t *testing.T) {
			if c.err == "-" {
				c.want, c.err = `{"b":1,"c":3}`, ""
			}
			in := parse(t, c.in)
			got, err := c.change(t.Context(), in)
			switch {
			case c.err != "":
				if err == nil || err.Error() != c.err {
					t.Errorf("%v, %v, want %s", got, err, c.err)
				}
			case err != nil:
				t.Error(err)
			case got.String() != c.want:
				t.Errorf("%s, want %s", got, c.want)
			}
			if in.String() != c.in {
				t.Errorf("the input has become %s", in)
			}
		})
	}
}

// D-22: null columns are there, and no columns are always there.
func TestD22Contains(t *testing.T) {
	for _, c := range []struct {
		columns []string
		in      string
		want    bool
	}{
		{[]string{"a"}, `{"a":null}`, true},
		{[]string{"a", "b"}, `{"a":1}`, false},
		{nil, `{}`, true},
		{[]string{"a"}, `null`, false},
	} {
		if got, err := row.Where(row.Contains(c.columns...))(t.Context(), parse(t, c.in)); got != c.want || err != nil {
			t.Errorf("%q in %s: %v, %v", c.columns, c.in, got, err)
		}
	}
}

func TestConditionsAreBooleans(t *testing.T) {
	for text, want := range map[string]string{
		`{"x":1}`:    `x is integer: a condition has to be true or false`,
		`{"x":null}`: `x is null: a condition has to be true or false`,
		`{}`:         `column "x" is missing; the row has no columns`,
	} {
		if _, err := row.Where(col("x"))(t.Context(), parse(t, text)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestRowsAreRead(t *testing.T) {
	r := parse(t, sample)
	if n, err := r.Get[int]("i"); n != 7 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	if f, err := r.Get[float64]("i"); f != 7 || err != nil {
		t.Errorf("%v, %v", f, err)
	}
	if s, err := r.Get[string]("s"); s != "abc" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	if b, err := r.Get[bool]("t"); !b || err != nil {
		t.Errorf("%v, %v", b, err)
	}
	if nested, err := r.Get[row.Row]("r"); nested.Len() != 2 || err != nil {
		t.Errorf("%v, %v", nested, err)
	}
	if l, err := r.Get[[]row.Value]("l"); len(l) != 4 || err != nil {
		t.Errorf("%v, %v", l, err)
	}
	if _, err := r.Get[string]("i"); err == nil || err.Error() != `column "i": integer is not string` {
		t.Error(err)
	}
	if _, err := row.Column[int64]("n")(t.Context(), r); err == nil || err.Error() != `n: null is not int64` {
		t.Error(err)
	}
	if n, err := row.Compute[int64](col("i").Add(1))(t.Context(), r); n != 8 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	var names []string
	for name := range r.All() {
		names = append(names, name)
		if name == "j" {
			break
		}
	}
	if len(names) != 2 || r.Columns()[1] != "j" || r.Len() != 14 {
		t.Errorf("%q of %q", names, r.Columns())
	}
}

func TestRowsAreValues(t *testing.T) {
	a := row.New(row.F("x", 1), row.F("y", 2), row.F("x", 3))
	b := a.With("y", "new").With("z", true)
	if a.String() != `{"x":3,"y":2}` || b.String() != `{"x":3,"y":"new","z":true}` {
		t.Errorf("%s, %s", a, b)
	}
	// Two rows that grow from one do not share what they grow by.
	c, d := b.With("c", 1), b.With("d", 2)
	if c.String() != `{"x":3,"y":"new","z":true,"c":1}` || d.String() != `{"x":3,"y":"new","z":true,"d":2}` {
		t.Errorf("%s, %s", c, d)
	}
	if !a.Equal(row.New(row.F("y", 2.0), row.F("x", 3))) || a.Equal(b) || a.Equal(row.New(row.F("x", 3), row.F("z", 2))) {
		t.Error("equality is wrong")
	}
	if (row.Row{}).Equal(row.New()) || !(row.Row{}).IsNil() {
		t.Error("a nil row is a row without columns")
	}
}

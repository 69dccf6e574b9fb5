package row

import (
	"fmt"
	"slices"
	"strings"
)

// Side is one side of a join, as its function gets it: a row, or a pointer that is nil where there is none. A nil row
// counts as one without columns.
type Side interface{ Row | *Row }

// MergeKeepLeft makes one row of the two sides of a join: the columns of the right side, then those that only the left side
// has. Of a column that both have, the left value counts. It fits all joins of streams and tables of rows, inner, left,
// right and outer:
//
//	trades.LeftJoinAsOf(quotes, join.AsOf{}.Grace(time.Hour), row.MergeKeepLeft)
func MergeKeepLeft[L, R Side](left L, right R) Row { return merged(sideRow(right), sideRow(left)) }

// MergeKeepRight is MergeKeepLeft the other way round: the columns of the left side come first, and of a column that both
// have, the right value counts.
func MergeKeepRight[L, R Side](left L, right R) Row { return merged(sideRow(left), sideRow(right)) }

// MergeDistinct is MergeKeepRight for sides that must not have a column in common: a column of both sides is a
// [*DuplicateColumnsError]. The Record form of each join can return that error, which fails the record:
//
//	trades.JoinAsOfRecord(quotes, join.AsOf{}.Grace(time.Hour), func(_ context.Context, trade Trade, quote Quote) (row.Row, error) {
//		return row.MergeDistinct(trade.Value, quote.Value)
//	})
func MergeDistinct[L, R Side](left L, right R) (Row, error) {
	l, r := sideRow(left), sideRow(right)
	var both []string
	for _, f := range l.fields {
		if find(r.fields, f.Name) >= 0 {
			both = append(both, f.Name)
		}
	}
	if len(both) > 0 {
		slices.Sort(both)
		return Row{}, &DuplicateColumnsError{Columns: both}
	}
	return merged(l, r), nil
}

// DuplicateColumnsError says that both sides of a join have some columns.
type DuplicateColumnsError struct {
	// Columns are sorted.
	Columns []string
}

// Error names the columns.
func (e *DuplicateColumnsError) Error() string {
	return fmt.Sprintf("both sides of the join have %s: rename or drop columns, or merge with MergeKeepLeft or MergeKeepRight", strings.Join(e.Columns, ", "))
}

func sideRow[S Side](side S) Row {
	switch s := any(&side).(type) {
	case *Row:
		return *s
	case **Row:
		if *s != nil {
			return **s
		}
	}
	return Row{}
}

// merged returns the columns of under, and those of over, which count where both have one.
func merged(under, over Row) Row {
	fields := make([]Field, len(under.fields), len(under.fields)+len(over.fields))
	copy(fields, under.fields)
	for _, f := range over.fields {
		fields = set(fields, f)
	}
	return Row{fields}
}

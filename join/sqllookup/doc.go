// Package sqllookup finds rows for lookup joins in SQL databases. It knows no driver: package sqlite, and others, bring theirs.
//
// There are two forms. A [Table] is looked up by the value of one column, many values by one statement; a query of one's
// own is asked for one record after the other. Both give the first row, or all.
//
// The type of a row is a struct with the names of columns in the tags of its fields:
//
//	type Account struct {
//	    Owner string  `db:"owner"`
//	    Limit *int64  `db:"credit_limit"` // NULL is nil
//	}
//
// or [row.Row], which takes columns as they are, or any other type that can be scanned, for one column.
//
// Values never become part of the text of a statement, and names of tables and columns only in quotes.
package sqllookup

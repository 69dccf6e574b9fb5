package sqllookup_test

import (
	"database/sql"
	"fmt"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/join/sqllookup"
	"github.com/weirstreams/weir/stream"
)

type payment struct {
	Card  string `json:"card"`
	Cents int64  `json:"cents"`
}

type card struct {
	Owner string `db:"owner"`
	Limit int64  `db:"credit_limit"`
}

// A database of any driver of database/sql, here one whose parameters are written $1, $2.
func Example() {
	payments := stream.NewTopic("payments", codec.String(), codec.JSON[payment]())
	alerts := stream.NewTopic("alerts", codec.String(), codec.String())

	topology := func(db *sql.DB) (*stream.Topology, error) {
		database := sqllookup.Database{DB: db, Placeholder: func(n int) string { return fmt.Sprint("$", n) }}
		cards, err := sqllookup.Query[string, card](database, "SELECT owner, credit_limit FROM cards WHERE number = $1", func(number string) []any {
			return []any{number}
		})
		if err != nil {
			return nil, err
		}
		t := stream.NewTopology()
		t.From(payments).
			JoinLookup(cards, func(p payment) string { return p.Card }, func(p payment, c card) string {
				if p.Cents <= c.Limit {
					return ""
				}
				return fmt.Sprintf("%s pays %d of %d", c.Owner, p.Cents, c.Limit)
			}).
			Filter(func(alert string) bool { return alert != "" }).
			To(alerts)
		return t, nil
	}
	t, err := topology(&sql.DB{}) // that of sql.Open
	fmt.Println(t.Validate(), err)
	// Output: <nil> <nil>
}

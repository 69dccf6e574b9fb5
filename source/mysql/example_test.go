package mysql_test

import (
	"fmt"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source/mysql"
	"github.com/weirstreams/weir/stream"
)

type customer struct {
	Name    string `json:"name"`
	Country string `json:"country"`
}

func Example() {
	customers := stream.NewTopic("customers", codec.Int64(), codec.JSON[customer]())
	t := stream.NewTopology()
	t.FromSource(mysql.New(mysql.Options[int64, customer]{
		URL: secret.New("mysql://weir@db.example/shop"), Tables: []string{"customers"},
	}), customers)
}

func ExampleOptions_record() {
	audit := stream.NewTopic("audit", codec.String(), codec.String())
	t := stream.NewTopology()
	t.AddSource(mysql.New(mysql.Options[string, string]{
		URL: secret.New("mysql://weir@db.example/shop"), Tables: []string{"customers", "orders"}, NoSnapshot: true,
		Record: func(c mysql.Change, emit func(weir.Record[string, string])) error {
			emit(weir.Record[string, string]{Key: c.Table, Value: fmt.Sprintf("%v of %v: %v to %v", c.Op, c.Key, c.Before, c.After)})
			return nil
		},
	}), audit)
}

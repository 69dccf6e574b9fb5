package postgres_test

import (
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/postgres"
	"github.com/weirstreams/weir/stream"

	"github.com/weirstreams/weir"
)

type price struct {
	Product string  `json:"product"`
	Amount  float64 `json:"amount"`
}

func ExampleNewExactlyOnce() {
	prices := stream.NewTopic("prices", codec.String(), codec.JSON[price]())
	t := stream.NewTopology()
	t.From(prices).Sink("newest prices", postgres.NewExactlyOnce(postgres.Options[string, price]{
		URL: secret.New("postgres://weir@db.example/shop"), Table: "prices", Mode: postgres.Upsert, Key: []string{"product"},
	}))
}

func Example() {
	readings := stream.NewTopic("readings", codec.String(), row.JSON())
	t := stream.NewTopology()
	t.From(readings).Sink("readings by sensor", postgres.New(postgres.Options[string, row.Row]{
		URL:     secret.New("postgres://weir@db.example/plant"),
		TableOf: func(r *weir.Record[string, row.Row]) (string, error) { return "readings_" + r.Key, nil },
		Types:   map[string]string{"celsius": "numeric(6,2)"},
	}))
}

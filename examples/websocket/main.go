// Command websocket reads prices from a websocket into a topic, and processes them there: spreads by product, without
// repetitions. The server is in the program itself.
//
//	go run ./examples/websocket
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// Ticker is the message of the server when a price moves.
type Ticker struct {
	Product string    `json:"product"`
	Bid     float64   `json:"bid"`
	Ask     float64   `json:"ask"`
	Time    time.Time `json:"time"`
}

// Spread is the difference between the prices of a product.
type Spread struct {
	Product string  `json:"product"`
	Spread  float64 `json:"spread"`
}

var (
	tickers = stream.NewTopic("tickers", codec.String(), codec.JSON[Ticker]())
	spreads = stream.NewTopic("spreads", codec.String(), codec.JSON[Spread]())

	// last is the last spread of a product.
	last = store.NewCell[float64]("last")
)

// topology writes a spread when it has changed. The key is the product.
func topology(out io.Writer) *stream.Topology {
	t := stream.NewTopology()
	t.From(tickers).
		Filter(func(t Ticker) bool { return t.Ask >= t.Bid }). // a crossed market is an error of the server
		MapState(last, func(c *store.Cell[float64], t Ticker) *Spread {
			spread := t.Ask - t.Bid
			if before, ok := c.Get(); ok && before == spread {
				return nil
			}
			c.Set(spread)
			return &Spread{t.Product, spread}
		}).
		Filter(func(s *Spread) bool { return s != nil }).
		Map(func(s *Spread) Spread { return *s }).
		Print(stream.PrintOptions{OneLine: true, To: out}).
		To(spreads)
	return t
}

// read copies the messages of a websocket to the topic of tickers, until the server closes it.
func read(ctx context.Context, app *runtime.App, url string) (n int, err error) {
	connection, response, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return 0, fmt.Errorf("connect to %s: %w", url, err)
	}
	if response != nil && response.Body != nil {
		defer response.Body.Close()
	}
	defer func() { _ = connection.CloseNow() }()
	producer, err := app.Producer(ctx, kafka.ProducerOptions{})
	if err != nil {
		return 0, err
	}
	for {
		var t Ticker
		err := wsjson.Read(ctx, connection, &t)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			return n, errors.Join(producer.Flush(ctx), producer.Close())
		}
		if err == nil {
			err = producer.Send(ctx, tickers, weir.Record[string, Ticker]{Key: t.Product, Value: t, Millis: t.Time.UnixMilli()})
		}
		if err != nil {
			return n, errors.Join(err, producer.Close())
		}
		n++
	}
}

// prices are the messages of the server.
var prices = []Ticker{
	{Product: "WATER-EUR", Bid: 2, Ask: 2.5},
	{Product: "STEEL-EUR", Bid: 700, Ask: 702},
	{Product: "WATER-EUR", Bid: 2.25, Ask: 2.75},
	{Product: "WATER-EUR", Bid: 2.25, Ask: 2.5},
	{Product: "STEEL-EUR", Bid: 703, Ask: 701},
	{Product: "STEEL-EUR", Bid: 701, Ask: 704},
}

// serve starts the server.
func serve(ctx context.Context) (url string, stop func() error, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connection, err := websocket.Accept(w, r, nil)
		if err != nil {
			return // it has answered
		}
		defer func() { _ = connection.CloseNow() }()
		for _, t := range prices {
			t.Time = time.Now()
			if err := wsjson.Write(r.Context(), connection, t); err != nil {
				return
			}
		}
		_ = connection.Close(websocket.StatusNormalClosure, "that is all")
	})}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return "ws://" + listener.Addr().String(), func() error {
		err := server.Close()
		if served := <-done; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}

func program(ctx context.Context, out io.Writer, config runtime.Config) (err error) {
	url, stop, err := serve(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	app, err := runtime.New(topology(out), config)
	if err != nil {
		return err
	}
	// Both run at the same time: one goroutine feeds the topic, the other processes it.
	type result struct {
		n   int
		err error
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	source := make(chan result, 1)
	go func() {
		n, err := read(ctx, app, url)
		if err != nil {
			cancel(err)
		}
		source <- result{n, err}
	}()
	err = app.RunUntil(ctx, runtime.Until{Idle: 2 * time.Second})
	cancel(nil)
	r := <-source
	fmt.Fprintf(out, "%d messages came over a websocket\n", r.n)
	return errors.Join(err, r.err)
}

func main() { local.Main("websocket", program) }

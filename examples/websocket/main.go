// Command websocket reads prices from a websocket into a topic, and processes them there: spreads by product, without
// repetitions. The server is in the program itself.
//
//	go run ./examples/websocket
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	coder "github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/websocket"
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

// prices is the source: it subscribes to all products, and ends when the server closes the connection.
func prices(url string) *websocket.Source[string, Ticker] {
	return websocket.New(url, websocket.Options[string, Ticker]{
		Subscribe:   websocket.SendTexts(`{"op":"subscribe","channel":"tickers"}`),
		StopAtClose: true,
		Decode: func(m websocket.Message, into *source.Batch[string, Ticker]) error {
			var t Ticker
			if err := json.Unmarshal(m.Data, &t); err != nil {
				return err
			}
			r := weir.Record[string, Ticker]{Key: t.Product, Value: t}
			r.SetTime(t.Time)
			into.Records = append(into.Records, r)
			return nil
		},
	})
}

// topology writes a spread when it has changed. The key is the product.
func topology(url string, out io.Writer) *stream.Topology {
	t := stream.NewTopology()
	t.FromSource(prices(url), tickers).
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

// messages are those of the server.
var messages = []Ticker{
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
		connection, err := coder.Accept(w, r, nil)
		if err != nil {
			return // it has answered
		}
		defer func() { _ = connection.CloseNow() }()
		if _, _, err := connection.Read(r.Context()); err != nil { // the subscription; or the connection was a test of the address
			return
		}
		for _, t := range messages {
			t.Time = time.Now()
			if err := wsjson.Write(r.Context(), connection, t); err != nil {
				return
			}
		}
		_ = connection.Close(coder.StatusNormalClosure, "that is all")
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
	app, err := runtime.New(topology(url, out), config)
	if err != nil {
		return err
	}
	return app.RunUntil(ctx, runtime.Until{Sources: true})
}

func main() { local.Main("websocket", program) }

package websocket_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	cws "github.com/coder/websocket"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/websocket"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/testkit"
)

type price struct {
	Product string  `json:"product"`
	Price   float64 `json:"price"`
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(sendPrices)) // which sends two prices, and closes the connection
	defer server.Close()

	t := stream.NewTopology()
	t.FromSource(websocket.New("ws"+strings.TrimPrefix(server.URL, "http"), websocket.Options[string, price]{
		Subscribe:   websocket.SendTexts(`{"op":"subscribe","products":["STEEL-EUR","WATER-EUR"]}`),
		StopAtClose: true,
		Decode: func(m websocket.Message, into *source.Batch[string, price]) error {
			var p price
			if err := json.Unmarshal(m.Data, &p); err != nil {
				return err
			}
			into.Records = append(into.Records, weir.Record[string, price]{Key: p.Product, Value: p})
			return nil
		},
	}), stream.SourceTopic[string, price]("prices")).Print(stream.PrintOptions{OneLine: true, To: os.Stdout})

	err := testkit.Run(t, testkit.Config{}, func(d *testkit.Driver) {
		fmt.Println(d.ReadSourcesToEnd(), "prices")
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"value":{"product":"STEEL-EUR","price":700}}
	// {"value":{"product":"WATER-EUR","price":2.5}}
	// 2 prices
}

func sendPrices(w http.ResponseWriter, r *http.Request) {
	c, err := cws.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer func() { _ = c.CloseNow() }()
	if _, _, err := c.Read(r.Context()); err != nil { // the subscription
		return
	}
	for _, p := range []price{{"STEEL-EUR", 700}, {"WATER-EUR", 2.5}} {
		text, err := json.Marshal(p)
		if err != nil || c.Write(r.Context(), cws.MessageText, text) != nil {
			return
		}
	}
	_ = c.Close(cws.StatusNormalClosure, "")
}

// A server that numbers its messages and sends those behind a number again: with runtime.ExactlyOnce each is in the topic once.
func ExampleOptions() {
	type event struct {
		Sequence json.Number     `json:"sequence"`
		Data     json.RawMessage `json:"data"`
	}
	t := stream.NewTopology()
	t.AddSource(websocket.New("wss://events.example/v1", websocket.Options[string, []byte]{
		Auth:     websocket.Bearer(secret.New(os.Getenv("EVENTS_TOKEN") + "token")),
		Channels: []string{"orders", "payments"},
		Subscribe: func(ctx context.Context, s *websocket.Session) error {
			request := map[string]string{"channel": s.Channel(), "after": string(s.Position())}
			text, err := json.Marshal(request)
			if err != nil {
				return err
			}
			if err := s.Send(ctx, websocket.Text(string(text))); err != nil {
				return err
			}
			_, err = s.Receive(ctx) // the answer to the subscription
			return err
		},
		Decode: func(m websocket.Message, into *source.Batch[string, []byte]) error {
			var e event
			if err := json.Unmarshal(m.Data, &e); err != nil {
				return err
			}
			into.Records = append(into.Records, weir.Record[string, []byte]{Key: m.Channel, Value: e.Data})
			into.Position = []byte(e.Sequence)
			return nil
		},
	}), stream.NewTopic("events", codec.String(), codec.Bytes()))
	fmt.Println(t.Validate())
	// Output: <nil>
}

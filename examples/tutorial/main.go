// Command tutorial is the service of docs/tutorial.md: an alert when the payments of a card exceed its limit within an hour.
//
//	BROKERS=localhost:9092 go run ./examples/tutorial
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

// Payment is a payment by card. The key of its record is the till.
type Payment struct {
	Card  string `json:"card"`
	Shop  string `json:"shop"`
	Cents int64  `json:"cents"`
}

// Card is the owner of a card, and its limit in cents for an hour. The key of its record is the number of the card.
type Card struct {
	Owner string `json:"owner"`
	Limit int64  `json:"limit"`
}

// Alert says that a card is over its limit.
type Alert struct {
	Owner string    `json:"owner"`
	Hour  time.Time `json:"hour"`
	Spent int64     `json:"spent"`
	Limit int64     `json:"limit"`
}

var (
	payments = stream.NewTopic("payments", codec.String(), codec.JSON[Payment]())
	cards    = stream.NewTopic("cards", codec.String(), codec.JSON[Card]())
	alerts   = stream.NewTopic("alerts", codec.String(), codec.JSON[Alert]())

	// alerted holds the hour of the last alert of a card, in Unix milliseconds.
	alerted = store.NewCell[int64]("alerted")
)

func topology() *stream.Topology {
	t := stream.NewTopology()
	limits := t.Table(cards)
	t.From(payments).
		Filter(func(p Payment) bool { return p.Cents > 0 }).
		GroupBy("card", func(p Payment) string { return p.Card }).
		Window(window.Tumbling(time.Hour).Grace(5*time.Minute)).
		Aggregate(window.Sum(func(p Payment) int64 { return p.Cents })).
		Current().
		JoinTable(limits, func(spent window.Result[int64], c Card) Alert {
			return Alert{c.Owner, spent.Start().UTC(), spent.Value, c.Limit}
		}).
		Filter(func(a Alert) bool { return a.Spent > a.Limit }).
		FilterState(alerted, func(last *store.Cell[int64], a Alert) bool {
			hour := a.Hour.UnixMilli()
			if before, ok := last.Get(); ok && hour <= before {
				return false
			}
			last.Set(hour)
			return true
		}).
		To(alerts)
	return t
}

// settings reads the environment: BROKERS, INSTANCE and STATE.
func settings() runtime.Config {
	return runtime.Config{
		Connection: kafka.Connection{Brokers: strings.Split(cmp.Or(os.Getenv("BROKERS"), "localhost:9092"), ",")},
		Group:      "card-alerts",
		Guarantee:  runtime.ExactlyOnce,
		Membership: runtime.MembershipConfig{InstanceID: os.Getenv("INSTANCE")},
		State:      runtime.StateConfig{Dir: cmp.Or(os.Getenv("STATE"), "state")},
		Topics:     runtime.TopicConfig{Create: true},
	}
}

// handler answers probes, and shows the status.
func handler(app *runtime.App) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/healthz", app.Healthz())
	mux.Handle("/readyz", app.Readyz())
	mux.HandleFunc("/status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(app.Status())
	})
	return mux
}

func main() {
	app, err := runtime.New(topology(), settings())
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: ":8080", Handler: handler(app), ReadHeaderTimeout: 5 * time.Second}
	go func() { log.Print(server.ListenAndServe()) }()
	if err := app.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

package query_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/query"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
	"github.com/weirstreams/weir/window"
)

var (
	views = stream.NewTopic("views", codec.String(), codec.String())
	pages = stream.NewTopic("pages", codec.String(), codec.String())
	seen  = store.NewCell[int]("seen")
	last  = store.NewMap[string, time.Time]("last")
	price = store.NewVersioned[float64]("price", 24*time.Hour)
	count = window.Count[string]()
)

func viewed() *stream.Topology {
	t := stream.NewTopology()
	t.From(views).
		MapState(seen, func(c *store.Cell[int], _ string) int {
			n, _ := c.Get()
			c.Set(n + 1)
			return n + 1
		}).
		To(stream.NewTopic("counts", codec.String(), codec.Int()))
	return t
}

// A member of a group that answers for all of it.
func Example() {
	seenRows := query.Cells(seen, views.KeyCodec())

	app, err := runtime.New(viewed(), runtime.Config{
		Connection: kafka.Connection{Brokers: []string{"localhost:9092"}},
		Group:      "pages",
		Membership: runtime.MembershipConfig{Endpoint: "http://10.0.0.7:8080/query"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token := "Bearer " + os.Getenv("PAGES_TOKEN")
	service, err := query.NewService(app, query.ServiceOptions{
		Stores: []query.Published{seenRows},
		Authorize: func(r *http.Request) error {
			if r.Header.Get("Authorization") != token {
				return errors.New("the token is wrong")
			}
			return nil
		},
		Sign: func(r *http.Request) error { r.Header.Set("Authorization", token); return nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/query/", http.StripPrefix("/query", service))

	_, err = query.Get(context.Background(), service, seenRows, "home", query.Options{})
	fmt.Println(errors.Is(err, weir.ErrMoved), "as the App does not run")
	// Output: true as the App does not run
}

// A program that is no member of the group.
func ExampleNewClient() {
	ctx := context.Background()
	client, err := query.NewClient(query.ClientOptions{Endpoints: []string{"http://localhost:1/query"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	seenRows := query.Cells(seen, views.KeyCodec())
	home, err := query.Get(ctx, client, seenRows, "home", query.Options{})
	switch {
	case errors.Is(err, weir.ErrMoved), errors.Is(err, weir.ErrRestoring):
		fmt.Println("try again soon")
	case err != nil:
		fmt.Println("no member answers:", errors.Is(err, weir.ErrUnavailable))
	case home.Found:
		fmt.Println("home was seen", home.Value, "times")
	}
	// Output: no member answers: true
}

// Reads of each kind of store.
func ExampleScan() {
	// read is what a handler of the program does.
	read := func(ctx context.Context, from query.Source) error {
		home, err := query.Get(ctx, from, query.Cells(seen, views.KeyCodec()), "home", query.Options{})
		if err != nil {
			return err
		}
		fmt.Println(home.Value, home.Found, home.Partition, home.Position["views"])

		browsers := query.Maps(last, views.KeyCodec())
		firefox, err := query.Field(ctx, from, browsers, "home", "firefox", query.Options{})
		if err != nil {
			return err
		}
		fmt.Println(firefox.Value)

		yesterday := time.Now().Add(-24 * time.Hour)
		prices := query.Versions(price, views.KeyCodec())
		asOf, err := query.Fields(ctx, from, prices, "home", query.Span[time.Time]{From: &yesterday}, query.Options{Limit: 1})
		if err != nil {
			return err
		}
		fmt.Println(asOf.Rows)

		minutes := query.Windows(window.Tumbling(time.Minute), count, views.KeyCodec())
		open, err := query.Fields(ctx, from, minutes, "home", query.Span[time.Time]{}, query.Options{})
		if err != nil {
			return err
		}
		fmt.Println(open.Rows)

		titles := query.Rows(pages)
		for row, err := range query.All(ctx, from, titles, query.Span[string]{Prefix: "help/"}, query.Options{}) {
			if err != nil {
				return err
			}
			fmt.Println(row.Key, row.Value)
		}
		return nil
	}
	_ = read
}

// A program that reads what it has written.
func ExamplePosition() {
	reads := func(ctx context.Context, from query.Source, producer *kafka.Producer) error {
		if err := errors.Join(producer.Send(ctx, views, weir.Record[string, string]{Key: "home"}), producer.Flush(ctx)); err != nil {
			return err
		}
		written := query.Position{"views": producer.Position("views")}
		home, err := query.Get(ctx, from, query.Cells(seen, views.KeyCodec()), "home", query.Options{AtLeast: written})
		if errors.Is(err, weir.ErrBehind) {
			return fmt.Errorf("ask again after the next checkpoint: %w", err)
		}
		fmt.Println(home.Value)
		return err
	}
	_ = reads
}

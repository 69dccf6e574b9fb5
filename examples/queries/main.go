// Command queries is a service that answers from its own state: three members of a group keep the stock of a shop, and each of them answers for all
// articles, also while one of them stops.
//
//	go run ./examples/queries
package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/examples/internal/local"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/runtime/query"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

// The movements of the stock: how many pieces of an article have come, or gone if the number is negative. The key is the article. The stock is
// the number of pieces of each article.
var (
	movements = stream.NewTopic("movements", codec.String(), codec.Int()).WithPartitions(6)
	levels    = stream.NewTopic("levels", codec.String(), codec.Int()).WithPartitions(6)
	stock     = store.NewCell[int]("stock")
)

// stockRows says how the rows of the stock are encoded, for queries. A program elsewhere can declare the same.
var stockRows = query.Cells(stock, movements.KeyCodec())

func topology() *stream.Topology {
	t := stream.NewTopology()
	t.From(movements).
		MapState(stock, func(c *store.Cell[int], pieces int) int {
			n, _ := c.Get()
			c.Set(n + pieces)
			return n + pieces
		}).
		To(levels)
	return t
}

// token is known to members and clients.
const token = "not a secret: this is an example"

func sign(r *http.Request) error {
	r.Header.Set("Authorization", "Bearer "+token)
	return nil
}

func authorize(r *http.Request) error {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+token)) != 1 {
		return errors.New("the token is missing or wrong")
	}
	return nil
}

// member is one process of the group. The three of this program would be on machines of their own.
type member struct {
	app     *runtime.App
	service *query.Service
	url     string
	server  *http.Server
	stop    context.CancelFunc
	ended   chan error
}

// start starts a member with its query service.
func start(ctx context.Context, config runtime.Config, name string) (*member, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "localhost:0")
	if err != nil {
		return nil, err
	}
	m := &member{url: "http://" + listener.Addr().String() + "/query", ended: make(chan error, 1)}
	config.State.Dir = filepath.Join(config.State.Dir, name)
	config.Membership.Endpoint = m.url // the other members learn it from the group
	if m.app, err = runtime.New(topology(), config); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	m.service, err = query.NewService(m.app, query.ServiceOptions{
		Stores: []query.Published{stockRows}, Authorize: authorize, Sign: sign,
	})
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/query/", http.StripPrefix("/query", m.service))
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = m.server.Serve(listener) }()
	ctx, m.stop = context.WithCancel(ctx)
	go func() { m.ended <- m.app.Run(ctx) }()
	return m, nil
}

// end stops the member, which gives its partitions to the others.
func (m *member) end() error {
	m.stop()
	err := <-m.ended
	m.ended <- nil
	return errors.Join(err, m.server.Close())
}

// soon repeats a query while the answer is one that passes: the partition moves, is restored, or is behind.
func soon[T any](ctx context.Context, ask func() (T, error)) (answer T, err error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		answer, err = ask()
		if !errors.Is(err, weir.ErrMoved) && !errors.Is(err, weir.ErrRestoring) && !errors.Is(err, weir.ErrBehind) && !errors.Is(err, weir.ErrUnavailable) {
			return answer, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return answer, err
		}
	}
}

// program feeds the shop, starts the members, and asks.
func program(ctx context.Context, out io.Writer, config runtime.Config) (err error) {
	config.Checkpoint.Interval = 100 * time.Millisecond // a query shows the last checkpoint
	config.Membership.SessionTimeout = 6 * time.Second  // members notice changes of the group within a third of it
	var members []*member
	defer func() {
		for _, m := range members {
			err = errors.Join(err, m.end())
		}
	}()
	for _, name := range []string{"first", "second", "third"} {
		m, err := start(ctx, config, name)
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	// A position behind all movements: the queries see these.
	producer, err := members[0].app.Producer(ctx, kafka.ProducerOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, producer.Close()) }()
	articles := []string{"bolt", "hammer", "nail", "nut", "saw", "screw"}
	for i, article := range articles {
		if err := producer.Send(ctx, movements, move(article, 100*(i+1)), move(article, -i)); err != nil {
			return err
		}
	}
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	written := query.Position{"movements": producer.Position("movements")}

	// Each member answers for each article: it asks the one that has it.
	for i, m := range members {
		total := 0
		for _, article := range articles {
			level, err := soon(ctx, func() (query.Answer[int], error) {
				return query.Get(ctx, m.service, stockRows, article, query.Options{AtLeast: written})
			})
			if err != nil {
				return err
			}
			total += level.Value
		}
		fmt.Fprintf(out, "member %d knows %d pieces\n", i+1, total)
	}

	// One member stops. A client of another one goes on, and needs no list of all.
	if err := members[0].end(); err != nil {
		return err
	}
	members = members[1:]
	client, err := query.NewClient(query.ClientOptions{Endpoints: []string{members[0].url, members[1].url}, Sign: sign})
	if err != nil {
		return err
	}
	rows, err := soon(ctx, func() (rows []query.Row[string, query.None, int], err error) {
		for row, err := range query.All(ctx, client, stockRows, query.Span[string]{Prefix: "n"}, query.Options{AtLeast: written}) {
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
		return rows, nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "without the first member, articles with n:")
	for _, article := range articles {
		for _, row := range rows {
			if row.Key == article {
				fmt.Fprintf(out, "  %s: %d\n", row.Key, row.Value)
			}
		}
	}
	return page(ctx, out, members[1].url+"/get?store=stock&key=saw")
}

func move(article string, pieces int) weir.Record[string, int] {
	return weir.Record[string, int]{Key: article, Value: pieces}
}

// page asks for JSON, as any program can, with and without the token.
func page(ctx context.Context, out io.Writer, url string) error {
	for _, withToken := range []bool{true, false} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		if withToken {
			_ = sign(request) // never fails
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			return err
		}
		fmt.Fprint(out, response.StatusCode, " ", rowsOf(body))
	}
	return nil
}

func main() { local.Main("queries", program) }

package mysql_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-mysql-org/go-mysql/client"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/mysql"
)

var server = os.Getenv("WEIR_TEST_MARIADB")

var count atomic.Int64

// schema makes an empty database, which goes away with the test.
func schema(tb testing.TB) string {
	tb.Helper()
	if server == "" {
		tb.Skip("needs MariaDB with a binary log: go run github.com/weirstreams/weir/internal/testserver mariadb -- go test")
	}
	name := fmt.Sprintf("weir_%d_%d", time.Now().UnixNano(), count.Add(1))
	db := connect(tb)
	exec(tb, db, "CREATE DATABASE "+name)
	tb.Cleanup(func() { exec(tb, db, "DROP DATABASE IF EXISTS "+name) })
	return name
}

func connect(tb testing.TB) *client.Conn {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	password, _ := u.User.Password()
	c, err := client.Connect(u.Host, u.User.Username(), password, "")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	exec(tb, c, "SET NAMES utf8mb4")
	return c
}

func exec(tb testing.TB, db *client.Conn, statement string, args ...any) {
	tb.Helper()
	if _, err := db.Execute(statement, args...); err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
}

// as returns the URL of the server with another user.
func as(tb testing.TB, user, password string) secret.String {
	tb.Helper()
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return secret.New(u.String())
}

var quiet = source.Task{Application: "test", Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}

// process is a reader with its source.
type process[K, V any] struct {
	tb     testing.TB
	source source.Source[K, V]
	task   source.Task
	reader source.Reader[K, V]
	at     []byte
}

// start opens a reader as of a process of its own. Tests run side by side, so each has a name, which makes the number of its reader.
func start[K, V any](tb testing.TB, o mysql.Options[K, V], at []byte) *process[K, V] {
	tb.Helper()
	o.URL = secret.New(server)
	return startOf(tb, mysql.New(o), at)
}

func startOf[K, V any](tb testing.TB, s source.Source[K, V], at []byte) *process[K, V] {
	tb.Helper()
	p := &process[K, V]{tb: tb, source: s, at: at, task: quiet}
	p.task.Source = tb.Name()
	if err := p.source.Connect(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	p.open()
	return p
}

// open opens a reader at the last position.
func (p *process[K, V]) open() {
	p.tb.Helper()
	var err error
	if p.reader, err = p.source.Open(p.tb.Context(), p.task, source.Split{}, p.at); err != nil {
		p.tb.Fatal(err)
	}
}

func (p *process[K, V]) close() {
	if err := p.reader.Close(); err != nil {
		p.tb.Error(err)
	}
}

// read reads one batch.
func (p *process[K, V]) read() ([]weir.Record[K, V], error) {
	p.tb.Helper()
	var b source.Batch[K, V]
	b.Reset()
	err := p.reader.Read(p.tb.Context(), &b)
	if err == nil || err == io.EOF {
		p.at = append([]byte(nil), b.Position...)
	}
	return b.Records, err
}

// until reads until enough records are there.
func (p *process[K, V]) until(enough int) (all []weir.Record[K, V]) {
	p.tb.Helper()
	for end := time.Now().Add(30 * time.Second); len(all) < enough; {
		records, err := p.read()
		if err != nil {
			p.tb.Fatal(err)
		}
		if all = append(all, records...); time.Now().After(end) {
			p.tb.Fatalf("%d records, want %d", len(all), enough)
		}
	}
	return all
}

// failure reads until there is an error.
func (p *process[K, V]) failure() (err error) {
	p.tb.Helper()
	for range 20 { // 500 ms each
		if _, err = p.read(); err != nil {
			return err
		}
	}
	p.tb.Error("there is no error")
	return nil
}

type rowRecord = weir.Record[row.Row, row.Row]

func text(r rowRecord) string {
	value := "null"
	if !r.ValueNull {
		value = r.Value.String()
	}
	return r.Key.String() + " " + value
}

// permanently reports whether an error is not tried again.
func permanently(err error) bool {
	p, ok := errors.AsType[interface {
		error
		Permanent() bool
	}](err)
	return ok && p.Permanent()
}

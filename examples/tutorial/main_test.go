package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weirstreams/weir/examples/internal/localtest"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/testkit"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestOneAlertInAnHour(t *testing.T) {
	d := testkit.New(t, topology(), testkit.Config{})
	d.Input(cards).Send("4711", Card{Owner: "Ada", Limit: 10_000}, noon)
	till, out := d.Input(payments), d.Output(alerts)

	till.Send("till-1", Payment{Card: "4711", Shop: "books", Cents: 6_000}, noon.Add(time.Minute))
	till.Send("till-1", Payment{Card: "4711", Shop: "books", Cents: -6_000}, noon.Add(2*time.Minute))
	out.ExpectValues()

	till.Send("till-2", Payment{Card: "4711", Shop: "shoes", Cents: 6_000}, noon.Add(3*time.Minute))
	till.Send("till-2", Payment{Card: "4711", Shop: "shoes", Cents: 500}, noon.Add(4*time.Minute))
	out.ExpectValues(Alert{Owner: "Ada", Hour: noon, Spent: 12_000, Limit: 10_000})

	till.Send("till-2", Payment{Card: "4711", Shop: "shoes", Cents: 11_000}, noon.Add(time.Hour))
	out.ExpectValues(Alert{Owner: "Ada", Hour: noon.Add(time.Hour), Spent: 11_000, Limit: 10_000})
}

func TestTheSumOutlivesACrashThatTakesTheDisk(t *testing.T) {
	d := testkit.New(t, topology(), testkit.Config{ExactlyOnce: true})
	d.Input(cards).Send("4711", Card{Owner: "Ada", Limit: 10_000}, noon)
	d.Input(payments).Send("till-1", Payment{Card: "4711", Cents: 6_000}, noon.Add(time.Minute))

	d.Crash(testkit.LoseState)

	d.Input(payments).Send("till-1", Payment{Card: "4711", Cents: 6_000}, noon.Add(2*time.Minute))
	d.Output(alerts).ExpectValues(Alert{Owner: "Ada", Hour: noon, Spent: 12_000, Limit: 10_000})
}

func TestAServiceThatHasNotBegunIsNotReady(t *testing.T) {
	app, err := runtime.New(topology(), settings())
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/status": http.StatusOK} {
		w := httptest.NewRecorder()
		handler(app).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("%s: %d %s, want %d", path, w.Code, w.Body, want)
		}
	}
}

func TestThePictureOfTheDocumentation(t *testing.T) { localtest.Picture(t, "tutorial", topology()) }

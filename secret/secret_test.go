package secret_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
)

func TestSecretsAreHiddenFromEverythingThatPrints(t *testing.T) {
	secrettest.Hidden(t, secret.New("s3cret"), "s3cret")
	secrettest.Hidden(t, secret.NewURL("https://us3r:s3cret@host/path?key=k3y#fr4gment"), "us3r", "s3cret", "k3y", "fr4gment")
	secrettest.Hidden(t, secret.NewURL("us3r:s3cret@host"), "us3r", "s3cret")
	secrettest.Hidden(t, struct {
		Password secret.String
		token    secret.String
		urls     []secret.URL
	}{secret.New("s3cret"), secret.New("t0ken"), secret.URLs("http://us3r:s3cret@host")}, "s3cret", "t0ken", "us3r")
}

// A kind of text that hides itself by methods alone is printed by fmt where it lies in an unexported field.
type byMethods string

func (byMethods) String() string { return secret.Mask }

func TestTheCheckFindsSecretsThatMethodsAloneHide(t *testing.T) {
	var found recorder
	secrettest.Hidden(&found, struct{ password byMethods }{"s3cret"}, "s3cret")
	if found == 0 {
		t.Error("nothing was found")
	}
}

type recorder int

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { *r++ }

func TestWhatIsShown(t *testing.T) {
	for text, want := range map[fmt.Stringer]string{
		secret.New("x"): secret.Mask,
		secret.New(""):  "",
		secret.NewURL("https://u:p@host:1/a%2Fb/c?d#e"): "https://host:1/a%2Fb/c",
		secret.NewURL("http://host"):                    "http://host",
		secret.NewURL("https://%zz"):                    "(malformed URL)",
		secret.NewURL(""):                               "",
	} {
		if text.String() != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}

func TestSecretsAreReadFromJSONAndWrittenWithoutTheirText(t *testing.T) {
	type config struct {
		Password secret.String
		Token    secret.String `json:",omitzero"`
		URL      secret.URL
	}
	var c config
	if err := json.Unmarshal([]byte(`{"Password":"s3cret","URL":"http://u:p@host"}`), &c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config{Password: secret.New("s3cret"), URL: secret.NewURL("http://u:p@host")}, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text, err := json.Marshal(c)
	if want := `{"Password":"******","URL":"http://host"}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
	if c.Password.Equal(secret.New("other")) || c.Password.IsZero() || !c.Token.IsZero() {
		t.Error("Equal or IsZero is wrong")
	}
}

func TestErrorsOfRequestsLoseTheirURL(t *testing.T) {
	client := http.Client{Transport: refuse{}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://us3r:s3cret@host/?key=k3y", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Do(request)
	if err = secret.WithoutURL(err); !errors.Is(err, errRefused) {
		t.Errorf("got %v", err)
	}
	secrettest.Absent(t, "the error", err.Error(), "us3r", "s3cret", "k3y")
}

var errRefused = errors.New("refused")

type refuse struct{}

func (refuse) RoundTrip(*http.Request) (*http.Response, error) { return nil, errRefused }

package importorder

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// clients are modules that speak to Kafka. The client of the schema registry, which is part of one of them, speaks HTTP.
var clients = []string{
	"github.com/IBM/sarama", "github.com/twmb/franz-go", "github.com/segmentio/kafka-go", "github.com/confluentinc/confluent-kafka-go",
}

const registryClient = "github.com/twmb/franz-go/pkg/sr"

// clientUsers are the packages that import a client of Kafka, with the reason.
var clientUsers = map[string]string{
	"internal/broker/saramabroker": "the implementation of the boundary",
	"kafka":                        "logins, and Connection.Sarama",
	"internal/kafkatest":           "a broker for tests",
}

func TestNothingBesideTheBoundaryImportsAKafkaClient(t *testing.T) {
	used := map[string]bool{}
	err := walkSources(filepath.Join("..", ".."), func(file, pkg string) error {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range source.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !isClient(imported) {
				continue
			}
			user := clientUser(pkg)
			if user == "" {
				t.Errorf("%s imports %s: only the boundary to Kafka, internal/broker/saramabroker, speaks to a cluster", filepath.ToSlash(file), imported)
			}
			used[user] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for user := range clientUsers {
		if !used[user] {
			t.Errorf("%s imports no client any more: remove it from the list", user)
		}
	}
}

func isClient(imported string) bool {
	if imported == registryClient || strings.HasPrefix(imported, registryClient+"/") {
		return false
	}
	for _, c := range clients {
		if imported == c || strings.HasPrefix(imported, c+"/") {
			return true
		}
	}
	return false
}

// clientUser returns the name that a package is listed under, or "".
func clientUser(pkg string) string {
	for user := range clientUsers {
		if pkg == user || strings.HasPrefix(pkg, user+"/") {
			return user
		}
	}
	return ""
}

// walkSources calls visit for the Go files of the module that are not tests, with the path of their package.
func walkSources(root string, visit func(file, pkg string) error) error {
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if file != root && skipped(file, entry.Name()) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(file, ".go"), strings.HasSuffix(file, "_test.go"):
			return nil
		}
		pkg, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		return visit(file, filepath.ToSlash(pkg))
	})
}

package docs

import (
	"os"
	"strings"
	"testing"
)

// deploy.md shows the files of examples/tutorial as they are.
func TestDeployShowsTheFilesOfTheTutorial(t *testing.T) {
	page := pages(t)["../docs/deploy.md"]
	for language, file := range map[string]string{"dockerfile": "Dockerfile", "yaml": "kubernetes.yaml"} {
		want, err := os.ReadFile("../examples/tutorial/" + file)
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(page, "```"+language+"\n")
		if shown, _, _ := strings.Cut(after, "```"); shown != string(want) {
			t.Errorf("deploy.md shows %q, and %s is %q", shown, file, want)
		}
	}
}

"""Fits a bundled table for 20 seconds, scores held-out rows, saves the model and loads it again."""

from sklearn.model_selection import train_test_split

from raytabdl import TabularClassifier, datasets

X, y = datasets.load("car")
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

clf = TabularClassifier(time_limit=20, seed=0, progress=True)
clf.fit(X_train, y_train)
print(clf.leaderboard().head(10).to_string())
print("accuracy on held-out rows:", clf.score(X_test, y_test))

clf.save("car-model")
same = TabularClassifier.load("car-model")
print(same.predict(X_test)[:5])

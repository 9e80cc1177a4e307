// The leaderboard: sorting.
panels.register({ id: "results" });

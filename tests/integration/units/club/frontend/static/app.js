document.title = "Club";
